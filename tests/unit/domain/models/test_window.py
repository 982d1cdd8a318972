from __future__ import annotations

from datetime import date

import pytest

from tests.support.plain_market import weekday_calendar
from tradegraph_dagster.domain.core.errors import ConfigError, MissingSession, TrainingRefused
from tradegraph_dagster.domain.datasets.schema import SplitPlan
from tradegraph_dagster.domain.models.window import (
    effective_session,
    last_training_session,
    materialised,
    training_window,
)

CALENDAR = weekday_calendar()
MONTH = date(2023, 10, 1)


def test_a_month_is_the_one_the_model_trades_in() -> None:
    # The first of October 2023 is a Sunday.
    assert last_training_session(CALENDAR, MONTH) == date(2023, 9, 29)
    assert effective_session(CALENDAR, MONTH) == date(2023, 10, 2)


def test_a_month_is_named_by_its_first_day_and_needs_history() -> None:
    with pytest.raises(ConfigError, match="2023-10-02"):
        last_training_session(CALENDAR, date(2023, 10, 2))
    with pytest.raises(MissingSession, match="no session before"):
        last_training_session(CALENDAR, date(2023, 1, 1))


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_label_of_the_window_reads_beyond_the_last_training_session(horizon: int) -> None:
    plan = SplitPlan(
        horizon_sessions=horizon, train_sessions=60, valid_sessions=10, test_sessions=10
    )
    window = training_window(CALENDAR, MONTH, plan, first=CALENDAR.sessions[0])
    assert CALENDAR.shift(window[-1], horizon + 1) == date(2023, 9, 29)
    assert len(window) == 60 + 10 + 10 + 2 * (horizon + 1)


def test_the_window_never_reaches_before_the_history() -> None:
    first = date(2023, 8, 1)
    assert training_window(CALENDAR, MONTH, SplitPlan(), first=first)[0] == first
    with pytest.raises(TrainingRefused, match="too short"):
        training_window(CALENDAR, MONTH, SplitPlan(), first=date(2023, 9, 28))


def test_a_tenth_may_be_missing_and_no_more() -> None:
    window = CALENDAR.sessions[:20]
    assert materialised(window, window[2:], MONTH) == window[2:]
    with pytest.raises(TrainingRefused, match=f"found 17.*first missing is {window[0]}"):
        materialised(window, window[3:], MONTH)
