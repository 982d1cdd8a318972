"""Events on record explain real ex-days, and factors reproduce a vendor's adjusted prices.

Sources of the answers: previous closes by the exchange (baostock) and forward-adjusted closes as of
three later dates (tushare). `python -m benchmarks.ex_right_prices` prints the figures.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.ex_right_prices import (
    SNAPSHOTS,
    ex_day_figures,
    ex_day_table,
    read_bars,
    read_events,
    snapshot_gaps,
)
from tests.golden.test_adjustment_on_real_bars import adjust


@pytest.fixture(scope="module")
def ex_days(shared_data: Path) -> pl.DataFrame:
    return ex_day_table(shared_data)


def test_ex_days_have_a_record_and_records_give_the_published_price(ex_days: pl.DataFrame) -> None:
    figures = ex_day_figures(ex_days)
    assert figures["ex_days"] == 763
    assert figures["on_record_frac"] >= 0.99
    assert figures["equal_frac"] >= 0.93
    assert figures["two_cents_frac"] >= 0.97


def test_the_rest_is_explained(ex_days: pl.DataFrame) -> None:
    counted = dict(ex_days.group_by("explanation").len().iter_rows())
    assert counted == {
        # Two dividends of less than half a cent move no published price and agree all the same.
        "agrees": 720,
        "differential_payout": 38,
        "no_record": 4,
        "incomplete_record": 2,
        "restructuring": 1,
    }
    kinds = {
        (row["session"], row["symbol"]): row["explanation"] for row in ex_days.iter_rows(named=True)
    }
    # Rights issues, which the table of dividends does not have.
    for day, symbol in (
        (date(2020, 7, 20), "600999.SH"),
        (date(2020, 12, 17), "600919.SH"),
        (date(2021, 12, 2), "002142.SZ"),
        (date(2023, 6, 27), "601916.SH"),
    ):
        assert kinds[day, symbol] == "no_record"
    # Shares given to creditors, and a year's dividend of which only the special part is recorded.
    assert kinds[date(2021, 12, 22), "600515.SH"] == "restructuring"
    assert kinds[date(2021, 6, 30), "601601.SH"] == "incomplete_record"


@pytest.mark.parametrize(
    ("snapshot", "rows"), list(zip(SNAPSHOTS, (106_301, 143_445, 29_952), strict=True))
)
def test_factors_of_published_closes_give_the_vendor_s_adjusted_closes(
    shared_data: Path, snapshot: str, rows: int
) -> None:
    gaps = snapshot_gaps(shared_data, snapshot)["gap"]
    assert len(gaps) == rows
    assert gaps.max() <= 0.005


def test_adjusted_bars_give_the_vendor_s_adjusted_closes(
    shared_data: Path, ex_days: pl.DataFrame
) -> None:
    """Our own factors, of unrounded references, for the names whose ex-days all agree."""
    unlike = ex_days.filter(pl.col("explanation") != "agrees")["symbol"].unique().to_list()
    bars = read_bars(shared_data).filter(~pl.col("symbol").is_in(unlike))
    rows = bars.with_columns(
        open="close", high="close", low="close", volume=pl.lit(1.0), amount="close"
    )
    events = read_events(shared_data).select(
        "session", "symbol", "cash_per_share", "bonus_ratio", "split_ratio"
    )
    inside = pl.col("session").is_between(rows["session"].min(), rows["session"].max())
    adjusted = adjust("cn", rows, events.filter(inside)).select("session", "symbol", "close")
    vendor = pl.read_parquet(shared_data / "cn" / "qfq_asof_20250930.parquet").select(
        session=pl.col("date").cast(pl.Date), symbol="ts_code", vendor="close"
    )
    both = adjusted.drop_nulls("close").join(vendor, on=["session", "symbol"])
    scale = (pl.col("vendor") / pl.col("close")).last().over("symbol", order_by="session")
    gap = both.select((pl.col("close") * scale / pl.col("vendor") - 1).abs()).to_series()
    assert both["symbol"].n_unique() > 80
    # Rounded references, six years of them, add up to a little more than one rounding.
    assert gap.max() <= 0.005
