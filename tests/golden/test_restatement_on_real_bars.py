"""A real record that was incomplete, corrected later: the view of a moment stands.

On 2021-06-30 China Pacific Insurance (601601.SH) paid 1.30 a share; a vendor's table has only the
special part of it, 0.10. The exchange published 28.77 after a close of 30.07 (baostock).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks.ex_right_prices import read_events
from tests.golden.test_adjustment_on_real_bars import dress
from tests.support.make_market_data import RecordingSource
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.as_of import adjusted_bars_as_of
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace

RESTATED = "601601.SH"
NAMES = (RESTATED, "601318.SH", "000333.SZ", "000651.SZ", "300750.SZ")
EX_DAY = date(2021, 6, 30)
CN = load_market("cn")
DAYS = CN.calendar.between(date(2021, 1, 4), date(2021, 12, 31))
UNTIL = DAYS[: DAYS.index(date(2021, 7, 15)) + 1]
MOMENT = datetime(2021, 7, 15, 22, tzinfo=UTC)
SAID = datetime(2022, 1, 20, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def events(shared_data: Path) -> pl.DataFrame:
    inside = pl.col("session").is_between(DAYS[0], DAYS[-1])
    return read_events(shared_data).filter(pl.col("symbol").is_in(NAMES), inside)


@pytest.fixture
def ws(shared_data: Path) -> Workspace:
    raw = pl.read_parquet(shared_data / "cn" / "raw_baostock_2020_2025.parquet")
    rows = raw.with_columns(
        pl.col("volume", "amount").fill_null(0.0),
        session=pl.col("date").cast(pl.Date),
        symbol="ts_code",
        is_suspended=pl.col("tradestatus") == 0,
    ).filter(pl.col("symbol").is_in(NAMES), pl.col("session").is_between(DAYS[0], DAYS[-1]))
    listed = {"name": "symbol", "board": "symbol", "listed_on": pl.lit(date(2010, 1, 4))}
    unknown = pl.lit(None, pl.String)
    flagged = rows.with_columns(is_st=False, industry=unknown, **listed)
    instruments = conform_frame(flagged, INSTRUMENTS)
    made = Workspace(CN, MemoryFrameStore(), DAYS[0])
    write_sessions(made.store, RAW_BARS, dress(rows, RAW_BARS), DAYS)
    write_sessions(made.store, INSTRUMENTS, instruments, DAYS)
    return made


def show(ws: Workspace, events: pl.DataFrame, days: tuple[date, ...], seen_at: datetime) -> None:
    panel = SourcePanel([RecordingSource(event_rows=events, name="tushare")])
    report = ingest_actions(ws, panel, days, latest_known=days[-1], seen_at=seen_at)
    assert not report.withheld
    assert not adjust_sessions(ws, days).withheld


def features(bars: pl.DataFrame) -> pl.DataFrame:
    return bars_to_features(
        bars,
        load_feature_set("alpha158"),
        sessions=UNTIL,
        calendar=CN.calendar,
        history_begins=DAYS[0],
    )


def reference(bars: pl.DataFrame) -> float:
    hit = bars.filter(pl.col("session") == EX_DAY, pl.col("symbol") == RESTATED)
    return round(hit["reference_close"].item(), 6)


def test_a_corrected_dividend_is_known_from_its_correction_on(
    ws: Workspace, events: pl.DataFrame
) -> None:
    show(ws, events.filter(pl.col("session") <= UNTIL[-1]), UNTIL, MOMENT)
    then = ws.store.read(ADJUSTED_BARS, UNTIL)
    assert reference(then) == 29.97
    features_then = features(then)
    is_wrong = (pl.col("session") == EX_DAY) & (pl.col("symbol") == RESTATED)
    cash = pl.when(is_wrong).then(1.3).otherwise("cash_per_share")
    show(ws, events.with_columns(cash_per_share=cash), DAYS, SAID)
    now = ws.store.read(ADJUSTED_BARS, UNTIL)
    assert reference(now) == 28.77
    view = adjusted_bars_as_of(ws, UNTIL, MOMENT)
    assert view.equals(then)
    assert features(view).equals(features_then)
    # The record of today makes other features, from the ex-day on and of that name alone.
    unlike = features(now).join(features_then, on=list(features_then.columns), how="anti")
    days_after = UNTIL[UNTIL.index(EX_DAY) :]
    assert unlike.select("session", "symbol").rows() == [(day, RESTATED) for day in days_after]


def test_no_event_of_the_months_after_changes_the_view(ws: Workspace, events: pl.DataFrame) -> None:
    show(ws, events.filter(pl.col("session") <= UNTIL[-1]), UNTIL, MOMENT)
    then = adjusted_bars_as_of(ws, UNTIL, MOMENT)
    show(ws, events, DAYS, SAID)
    assert adjusted_bars_as_of(ws, UNTIL, MOMENT).equals(then)
    stored = ws.store.read(ADJUSTED_BARS, DAYS)
    assert stored.filter(pl.col("session") <= UNTIL[-1]).equals(then)
    # Gree paid in August and Ping An in October: the months after did have events.
    first, last = (stored.filter(session=day)["price_factor"] for day in (UNTIL[-1], DAYS[-1]))
    grown = stored.filter(session=DAYS[-1]).filter(last > first)["symbol"].to_list()
    assert grown == ["000651.SZ", "601318.SH"]
