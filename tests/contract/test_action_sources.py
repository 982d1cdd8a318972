"""Every ActionSource answers repeatably and in schema, with events known before their open."""

from __future__ import annotations

import importlib
from typing import Any

import polars as pl
import pytest

from tests.support.source_cases import SourceCase, adapters_with
from tradegraph_dagster.domain.core.errors import SourceError
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.corporate_actions.events import impossible_events
from tradegraph_dagster.domain.corporate_actions.ports import ActionSource
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Market


@pytest.fixture(params=adapters_with("actions"))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def source(name: str, market: Market, options: dict[str, Any]) -> ActionSource:
    def adapter(module: str) -> Any:
        return importlib.import_module(f"tradegraph_dagster.adapters.{name}.{module}")

    checked = adapter("options").OPTIONS.model_validate(options)
    return adapter("actions").SOURCE(market, checked)


def test_the_answer_fits_the_schema(source: ActionSource, case: SourceCase) -> None:
    rows = check_frame(source.corporate_actions(case.sessions), CORPORATE_ACTIONS)
    assert rows.height > 0, "the case's sessions must hold an event"
    assert set(rows["session"]) <= set(case.sessions)


def test_every_event_is_possible(source: ActionSource, case: SourceCase) -> None:
    assert not impossible_events(source.corporate_actions(case.sessions), source.name)


def test_events_are_known_before_the_open(
    source: ActionSource, case: SourceCase, market: Market
) -> None:
    rows = source.corporate_actions(case.sessions)
    for session, known in rows.select("session", "known_at").rows():
        assert known < market.calendar.open_at(session)


def test_asked_twice_it_says_the_same(source: ActionSource, case: SourceCase) -> None:
    assert source.corporate_actions(case.sessions).equals(source.corporate_actions(case.sessions))


def test_a_range_is_its_sessions(source: ActionSource, case: SourceCase) -> None:
    single = pl.concat(source.corporate_actions([session]) for session in case.sessions)
    together = source.corporate_actions(case.sessions)
    assert together.equals(single.sort(CORPORATE_ACTIONS.key))


def test_a_day_on_which_nobody_trades_is_an_error(
    source: ActionSource, case: SourceCase, market: Market
) -> None:
    saturday = next(
        day
        for day in pl.date_range(min(case.sessions), interval="1d", end=case.unknown, eager=True)
        if not market.calendar.is_session(day)
    )
    with pytest.raises(SourceError, match=str(saturday)):
        source.corporate_actions([saturday])
