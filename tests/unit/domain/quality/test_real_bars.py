"""Real A-share bars: no false alarm on clean years, real vendor faults found."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import polars as pl

from tests.support.plain_market import make_instruments
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.quality.schema import GateInput
from tradegraph_dagster.domain.quality.step import load_gates
from tradegraph_dagster.domain.quality.verdict import bars_to_findings

PRICES = ("open", "high", "low", "close")
# Names with a bar by then were listed long before the data begin.
OLD = date(2020, 1, 10)
# Amounts far from the usual one happen; nothing is taken out for them.
MAX_WARNINGS_FRAC = 3e-4


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
        is_carried=False,
        is_st=pl.col("isST") == 1,
        sessions_listed=pl.when(first <= OLD).then(age + 500).otherwise(age),
    )
    return conform_frame(bars, ADJUSTED_BARS)


def adjusted_by_dividends(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same rows adjusted by our own factors from a vendor's list of dividends."""
    rows = pl.read_parquet(folder / "cn" / "raw_baostock_2020_2025.parquet").with_columns(
        pl.col("volume", "amount").fill_null(0.0),
        session=pl.col("date").cast(pl.Date),
        symbol="ts_code",
        is_suspended=pl.col("tradestatus") == 0,
    )
    known = {"source": pl.lit("vendor"), "known_at": pl.lit(datetime(2020, 1, 1, tzinfo=UTC))}
    raw = conform_frame(rows.with_columns(**known), RAW_BARS)
    market = load_market("cn")
    sessions = market.calendar.between(rows["session"].min(), rows["session"].max())
    events = (
        pl.read_parquet(folder / "cn" / "dividends_implemented.parquet")
        .drop_nulls("ex_date")
        .select("cash_div_tax", "stk_div", "ex_date", symbol="ts_code")
        .with_columns(session=pl.col("ex_date").str.to_date())
        .filter(
            pl.col("symbol").is_in(raw["symbol"].unique().implode()),
            pl.col("session").is_in(list(sessions)),
        )
        # Some events are in the table twice.
        .unique()
        .group_by("session", "symbol")
        .agg(cash_per_share=pl.col("cash_div_tax").sum(), bonus_ratio=pl.col("stk_div").sum())
        .with_columns(rights_ratio=0.0, rights_price=0.0, split_ratio=1.0, **known)
    )
    actions = conform_frame(events, CORPORATE_ACTIONS)
    bars = bars_to_adjusted_bars(
        raw,
        actions,
        instruments_of(real_bars(folder)),
        ADJUSTED_BARS.empty(),
        market=market,
        sessions=sessions,
    )
    return bars, actions


def instruments_of(bars: pl.DataFrame) -> pl.DataFrame:
    first = pl.col("session").min().over("symbol")
    listed_on = bars.select("session", "symbol", listed_on=pl.when(first > OLD).then(first))
    return (
        make_instruments(bars, listed_on=date(2000, 1, 1))
        .update(listed_on, on=SESSION_SYMBOL)
        .sort(SESSION_SYMBOL)
    )


def findings(bars: pl.DataFrame, actions: pl.DataFrame | None = None) -> pl.DataFrame:
    sessions = tuple(bars["session"].unique().sort())
    events = CORPORATE_ACTIONS.empty() if actions is None else actions
    asked = GateInput(bars, instruments_of(bars), events, sessions, load_market("cn"))
    return bars_to_findings(asked, load_gates())


def accusations(found: pl.DataFrame) -> pl.DataFrame:
    return found.filter(pl.col("severity") != "warn")


def test_five_clean_years_accuse_no_row(shared_data: Path) -> None:
    bars = real_bars(shared_data)
    found = findings(bars)
    assert bars.height > 150_000
    assert accusations(found).is_empty()
    assert found.height <= bars.height * MAX_WARNINGS_FRAC
    assert set(found["gate"]) <= {"turnover_level"}


def test_of_years_adjusted_by_a_list_of_dividends_only_its_own_faults_are_found(
    shared_data: Path,
) -> None:
    """The list has no rights issue of 600999 and a bonus of 600515 that moved no market price."""
    bars, events = adjusted_by_dividends(shared_data)
    accused = accusations(findings(bars, events))
    at_fault = {("600999.SH", date(2020, 7, 20)), ("600515.SH", date(2021, 12, 22))}
    first = accused.group_by("symbol").agg(pl.col("session").min())
    assert set(first.iter_rows()) == at_fault
    after = accused.filter(~pl.col("gate").is_in(["price_limits", "event_without_effect"]))
    assert set(after["gate"]) == {"spliced_block"}


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
    found = accusations(findings(conform_frame(swapped, ADJUSTED_BARS)))
    accused = found.filter(pl.col("symbol") != "*")
    wrong = swapped.filter(pl.col("gap") > 1e-3)
    caught = wrong.join(accused, on=SESSION_SYMBOL, how="semi")
    # What is left lies within the bar's own range, so that no rule about one bar can tell it.
    assert caught.height >= wrong.height // 2 > 20
    assert caught.filter(pl.col("gap") > 0.035).height == wrong.filter(pl.col("gap") > 0.035).height
    assert (
        swapped.filter(pl.col("gap") == 0).join(accused, on=SESSION_SYMBOL, how="semi").is_empty()
    )
