"""The universe step waits for its window, and one session alone equals the range."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.universe.schema import UNIVERSE, UniversePolicy
from tradegraph_dagster.domain.universe.step import select_universe

DAYS = weekdays(45)
SYMBOLS = [f"S{number}" for number in range(12)]
POLICY = UniversePolicy(min_sessions_listed=5)


def workspace(*, without: date | None = None) -> Workspace:
    """Bars with a fifth of the rows missing at random."""
    bars = make_adjusted_bars(DAYS, SYMBOLS)
    rng = np.random.default_rng(5)
    bars = bars.filter(pl.Series(rng.random(bars.height) > 0.2))
    store = MemoryFrameStore()
    write_sessions(store, VALIDATED_BARS, bars, [day for day in DAYS if day != without])
    write_sessions(store, INSTRUMENTS, make_instruments(bars), DAYS)
    return Workspace(PlainMarket(), store, DAYS[0])


def test_one_session_at_a_time_equals_the_range_bit_for_bit() -> None:
    together, apart = workspace(), workspace()
    report = select_universe(together, DAYS, POLICY)
    assert [one.partition for one in report.written] == list(DAYS)
    for session in reversed(DAYS):
        select_universe(apart, (session,), POLICY)
    for session in DAYS:
        fingerprint = together.store.fingerprint("universe", session)
        assert apart.store.fingerprint("universe", session) == fingerprint


def test_a_blocked_session_holds_back_the_windows_that_need_it() -> None:
    ws = workspace(without=DAYS[10])
    report = select_universe(ws, DAYS, POLICY)
    assert list(report.withheld) == list(DAYS[10:30])
    assert all(isinstance(error, MissingSession) for error in report.withheld.values())
    assert str(DAYS[10]) in str(report.withheld[DAYS[29]])


def test_the_window_holds_twenty_sessions() -> None:
    ws = workspace()
    select_universe(ws, DAYS, POLICY)
    rows = ws.store.read(UNIVERSE, [DAYS[40]])
    bars = ws.store.read(VALIDATED_BARS, DAYS[21:41])
    for symbol, mean in rows.select("symbol", "mean_amount").iter_rows():
        amounts = bars.filter(pl.col("symbol") == symbol)["amount"].to_list()
        assert mean == sum(amounts) / len(amounts)


def test_the_report_counts_members() -> None:
    ws = workspace()
    written = select_universe(ws, DAYS, POLICY).written[-1]
    rows = ws.store.read(UNIVERSE, [DAYS[-1]])
    assert written.facts == {"members": rows.height, "suspended": 0}
