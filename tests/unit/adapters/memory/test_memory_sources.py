"""Frames as sources."""

from __future__ import annotations

import pytest

from tests.support.make_bars import weekdays
from tests.support.make_market_data import Event, make_events, make_instruments_of, make_raw_bars
from tradegraph_dagster.adapters.memory.actions import MemoryActions
from tradegraph_dagster.adapters.memory.bars import MemoryBars
from tradegraph_dagster.domain.core.errors import SchemaError, SourceRefused

DAYS = weekdays(3)
BARS = make_raw_bars(DAYS)


def test_frames_that_do_not_fit_are_refused_at_once() -> None:
    with pytest.raises(SchemaError, match="raw_bars"):
        MemoryBars(make_instruments_of(BARS), BARS.drop("open"))
    with pytest.raises(SchemaError, match="corporate_actions"):
        MemoryActions(BARS)


def test_without_sessions_any_day_has_an_answer() -> None:
    actions = MemoryActions(make_events(Event(DAYS[1], split_ratio=2.0)))
    assert actions.corporate_actions(DAYS).height == 1
    assert actions.corporate_actions(weekdays(9)[5:]).is_empty()
    assert MemoryActions().corporate_actions(DAYS).is_empty()


def test_with_sessions_others_are_refused() -> None:
    actions = MemoryActions(sessions=DAYS)
    with pytest.raises(SourceRefused, match=str(weekdays(4)[3])):
        actions.corporate_actions(weekdays(4))
