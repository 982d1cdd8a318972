"""From the lake's bars and industries to the features of a set that compares instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, make_instruments, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.features.schema import FEATURES, BarGrid, FeatureSet
from tradegraph_dagster.domain.features.sets.cross_section import compare_set
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

MARKET = PlainMarket(calendar=weekday_calendar(40))
DAYS = MARKET.calendar.sessions[10:16]
CLOSES = {"A": 1.0, "B": 2.0, "C": 4.0, "D": 8.0}
INDUSTRIES = {"A": "bank", "B": "bank", "C": "mine", "D": "mine"}


def closes(grid: BarGrid) -> np.ndarray:
    return grid.fields["close"][np.newaxis].astype(np.float32)


COMPARED = compare_set(FeatureSet("level", {"close0": "close"}, lookback=0, compute=closes))


def bars_of(days: Sequence[date]) -> pl.DataFrame:
    price = pl.col("symbol").replace_strict(CLOSES, return_dtype=pl.Float64)
    return make_adjusted_bars(days, tuple(CLOSES)).with_columns(close=price)


def workspace(
    industries: Mapping[date, Mapping[str, str]] | None = None, *, listed: Sequence[date] = DAYS
) -> Workspace:
    """Bars of DAYS; each day's industries, those of INDUSTRIES where none are given."""
    ws = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    bars = bars_of(DAYS)
    write_sessions(ws.store, VALIDATED_BARS, bars, DAYS)
    for day in listed:
        known = (industries or {}).get(day, INDUSTRIES)
        told = pl.col("symbol").replace_strict(known, default=None, return_dtype=pl.String)
        rows = make_instruments(bars.filter(session=day)).with_columns(industry=told)
        ws.store.write(INSTRUMENTS, day, rows)
    return ws


def ranks(ws: Workspace, day: date) -> list[float]:
    rows = ws.store.read(COMPARED.schema, [day])
    assert rows["symbol"].to_list() == list(CLOSES)
    return rows["close0_rank"].to_list()


def test_each_is_compared_within_its_industry_as_known_on_the_session() -> None:
    moved = {"A": "bank", "B": "mine", "C": "mine", "D": "mine"}
    ws = workspace({DAYS[2]: moved, DAYS[3]: {}, DAYS[4]: {"A": "bank", "B": "bank"}})
    report = compute_features(ws, COMPARED, DAYS)
    assert [one.partition for one in report.written] == list(DAYS)
    assert ranks(ws, DAYS[1]) == [-0.25, 0.25, -0.25, 0.25]
    alone, *three = ranks(ws, DAYS[2])
    assert np.isnan(alone)
    assert np.allclose(three, [-1 / 3, 0, 1 / 3])
    assert ranks(ws, DAYS[3]) == [-0.375, -0.125, 0.125, 0.375]
    assert ranks(ws, DAYS[4]) == [-0.25, 0.25, -0.25, 0.25]


def test_a_session_alone_equals_the_session_in_a_range() -> None:
    whole, single = workspace(), workspace()
    compute_features(whole, COMPARED, DAYS)
    for day in DAYS[::2]:
        compute_features(single, COMPARED, [day])
        assert single.store.fingerprint(FEATURES, day) == whole.store.fingerprint(FEATURES, day)


def test_who_did_not_trade_is_not_compared() -> None:
    ws = workspace({DAYS[0]: {}})
    gone = (pl.col("session") == DAYS[0]) & (pl.col("symbol") == "D")
    halted = bars_of(DAYS[:1]).with_columns(is_suspended=gone)
    ws.store.write(VALIDATED_BARS, DAYS[0], halted)
    compute_features(ws, COMPARED, DAYS[:1])
    *traded, suspended = ranks(ws, DAYS[0])
    assert np.allclose(traded, [-1 / 3, 0, 1 / 3])
    assert np.isnan(suspended)


def test_instruments_stored_before_there_were_industries_have_none() -> None:
    ws = workspace()
    columns = {name: one for name, one in INSTRUMENTS.columns.items() if name != "industry"}
    older = replace(INSTRUMENTS, columns=columns)
    ws.store.write(older, DAYS[0], make_instruments(bars_of(DAYS[:1])).drop("industry"))
    compute_features(ws, COMPARED, DAYS[:2])
    assert ranks(ws, DAYS[0]) == [-0.375, -0.125, 0.125, 0.375]
    assert ranks(ws, DAYS[1]) == [-0.25, 0.25, -0.25, 0.25]


def test_a_session_without_instruments_waits() -> None:
    ws = workspace(listed=DAYS[1:])
    report = compute_features(ws, COMPARED, DAYS[:2])
    assert [one.partition for one in report.written] == [DAYS[1]]
    assert "instruments" in str(report.withheld[DAYS[0]])
