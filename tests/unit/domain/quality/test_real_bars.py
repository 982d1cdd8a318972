"""Real A-share bars: no false alarm on clean years, real vendor faults found."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

from tests.support.plain_market import make_instruments
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.quality.schema import GateInput
from tradegraph_dagster.domain.quality.step import load_gates
from tradegraph_dagster.domain.quality.verdict import bars_to_findings

PRICES = ("open", "high", "low", "close")
# Names with a bar by then were listed long before the data begin.
OLD = date(2020, 1, 10)


@cache
def real_bars(folder: Path) -> pl.DataFrame:
    """Vendor rows as ADJUSTED_BARS with factors of 1; the reference is the exchange's own."""
    rows = pl.read_parquet(folder / "cn" / "raw_baostock_2020_2025.parquet").sort("ts_code", "date")
    traded = pl.col("tradestatus") == 1
    first = pl.col("date").min().over("ts_code")
    age = pl.int_range(1, pl.len() + 1).over("ts_code")
    bars = rows.select(
        pl.col("date").cast(pl.Date).alias("session"),
        pl.col("ts_code").alias("symbol"),
        *(pl.when(traded).then(name).alias(name) for name in (*PRICES, "volume")),
        *(pl.when(traded).then(name).alias(f"raw_{name}") for name in PRICES),
        vwap=pl.when(traded).then(pl.col("amount") / pl.col("volume")),
        amount=pl.when(traded).then("amount").otherwise(0.0),
        reference_close="preclose",
        last_raw_close="close",
        price_factor=1.0,
        share_factor=1.0,
        is_suspended=~traded,
        is_st=pl.col("isST") == 1,
        sessions_listed=pl.when(first <= OLD).then(age + 500).otherwise(age),
    )
    return conform_frame(bars, ADJUSTED_BARS)


def findings(bars: pl.DataFrame) -> pl.DataFrame:
    sessions = tuple(bars["session"].unique().sort())
    first = pl.col("session").min().over("symbol")
    listed_on = bars.select("session", "symbol", listed_on=pl.when(first > OLD).then(first))
    instruments = (
        make_instruments(bars, listed_on=date(2000, 1, 1))
        .update(listed_on, on=SESSION_SYMBOL)
        .sort(SESSION_SYMBOL)
    )
    asked = GateInput(bars, instruments, CORPORATE_ACTIONS.empty(), sessions, load_market("cn"))
    return bars_to_findings(asked, load_gates())


def test_five_clean_years_give_no_finding(shared_data: Path) -> None:
    bars = real_bars(shared_data)
    assert bars.height > 150_000
    assert findings(bars).is_empty()


def test_real_vendor_faults_are_found_and_right_rows_are_not_accused(shared_data: Path) -> None:
    dirty = (
        pl.read_parquet(shared_data / "cn" / "raw_dirty_2019_2023.parquet")
        .select(
            pl.col("date").cast(pl.Date).alias("session"),
            pl.col("ts_code").alias("symbol"),
            *(pl.col(name).alias(f"vendor_{name}") for name in PRICES),
        )
        .unique(SESSION_SYMBOL, keep="first")
        .filter(pl.col("session").dt.year() == 2021)
    )
    bars = real_bars(shared_data).filter(~pl.col("is_suspended"))
    both = bars.join(dirty, on=SESSION_SYMBOL)
    gap = pl.max_horizontal(
        (pl.col(f"vendor_{name}") / pl.col(f"raw_{name}") - 1).abs() for name in PRICES
    )
    swapped = both.with_columns(
        gap=gap,
        **{name: f"vendor_{name}" for name in PRICES},
        **{f"raw_{name}": f"vendor_{name}" for name in PRICES},
    )
    accused = findings(conform_frame(swapped, ADJUSTED_BARS)).filter(pl.col("symbol") != "*")
    wrong = swapped.filter(pl.col("gap") > 1e-3)
    found = wrong.join(accused, on=SESSION_SYMBOL, how="semi")
    # What is left lies within the bar's own range, so that no rule about one bar can tell it.
    assert found.height >= wrong.height // 2 > 20
    assert found.filter(pl.col("gap") > 0.035).height == wrong.filter(pl.col("gap") > 0.035).height
    assert (
        swapped.filter(pl.col("gap") == 0).join(accused, on=SESSION_SYMBOL, how="semi").is_empty()
    )
