"""The view of a moment: which versions it takes, and what it refuses."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest

from tests.support.make_bars import known_after, weekdays
from tests.support.make_market_data import (
    SYMBOLS,
    Event,
    make_events,
    make_instruments_of,
    make_raw_bars,
    make_workspace,
)
from tradegraph_dagster.domain.core.errors import InvariantBroken, MissingSession
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.corporate_actions.as_of import adjusted_bars_as_of
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace

DAYS = weekdays(6)
A, B = SYMBOLS
BARS = make_raw_bars(DAYS)
EVENING = known_after(DAYS[-1])
LATER = EVENING + timedelta(days=3)
A_MICROSECOND = timedelta(microseconds=1)


def stocked(bars: pl.DataFrame = BARS, *events: Event) -> Workspace:
    ws = make_workspace(DAYS[0])
    write_sessions(ws.store, RAW_BARS, bars.sort(RAW_BARS.key), DAYS)
    write_sessions(ws.store, INSTRUMENTS, make_instruments_of(BARS), DAYS)
    write_sessions(ws.store, CORPORATE_ACTIONS, make_events(*events), DAYS)
    return ws


def factor(view: pl.DataFrame, session: date) -> float:
    found: float = view.filter(session=session, symbol=A)["price_factor"].item()
    return found


def test_a_restated_event_counts_from_the_instant_it_was_known() -> None:
    ws = stocked(
        BARS,
        Event(DAYS[2], split_ratio=2.0),
        Event(DAYS[2], split_ratio=4.0, known_at=LATER),
    )
    assert factor(adjusted_bars_as_of(ws, DAYS, LATER - A_MICROSECOND), DAYS[-1]) == 2.0
    assert factor(adjusted_bars_as_of(ws, DAYS, LATER), DAYS[-1]) == 4.0


def test_a_withdrawn_event_counts_until_the_instant_it_was_withdrawn() -> None:
    ws = stocked(BARS, Event(DAYS[2], split_ratio=2.0), Event(DAYS[2], known_at=LATER))
    assert factor(adjusted_bars_as_of(ws, DAYS, LATER - A_MICROSECOND), DAYS[-1]) == 2.0
    assert factor(adjusted_bars_as_of(ws, DAYS, LATER), DAYS[-1]) == 1.0


def test_a_corrected_bar_counts_from_the_instant_it_was_known() -> None:
    hit = (pl.col("session") == DAYS[1]) & (pl.col("symbol") == A)
    better = BARS.filter(hit).with_columns(
        close=pl.col("close") + 1, known_at=pl.lit(LATER).cast(RAW_BARS.dtypes["known_at"])
    )
    ws = stocked(pl.concat([BARS, better]))
    before = adjusted_bars_as_of(ws, DAYS, LATER - A_MICROSECOND)
    assert before.equals(adjusted_bars_as_of(stocked(), DAYS, EVENING))
    after = adjusted_bars_as_of(ws, DAYS, LATER)
    assert after.filter(hit)["raw_close"].item() == before.filter(hit)["raw_close"].item() + 1


def test_only_the_sessions_wanted_come_and_none_for_none() -> None:
    ws = stocked(BARS, Event(DAYS[2], split_ratio=2.0))
    view = adjusted_bars_as_of(ws, [DAYS[4], DAYS[3]], EVENING)
    assert view["session"].unique().to_list() == [DAYS[3], DAYS[4]]
    assert factor(view, DAYS[3]) == 2.0
    assert adjusted_bars_as_of(ws, [], EVENING).equals(ADJUSTED_BARS.empty())


def test_a_session_of_which_nothing_was_known_is_missing() -> None:
    with pytest.raises(MissingSession, match="no bar of it was known at") as caught:
        adjusted_bars_as_of(stocked(), DAYS, known_after(DAYS[3]))
    assert caught.value.session == DAYS[4]


@pytest.mark.parametrize("day", [DAYS[0] - timedelta(days=3), date(2024, 1, 6)])
def test_a_day_before_history_or_without_trading_is_refused(day: date) -> None:
    with pytest.raises(MissingSession, match=f"from {DAYS[0]} on") as caught:
        adjusted_bars_as_of(stocked(), [*DAYS, day], EVENING)
    assert caught.value.session == day


def test_an_instant_needs_a_time_zone() -> None:
    with pytest.raises(InvariantBroken, match="time zone"):
        adjusted_bars_as_of(stocked(), DAYS, datetime(2024, 1, 9))  # noqa: DTZ001
