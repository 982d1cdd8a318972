"""Real bars stay within limits computed from their published previous close, and touch them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Listing, PriceBand

CN = load_market("cn")
HISTORY_FIRST = date(2020, 1, 2)
COLUMNS = ("ts_code", "date", "low", "high", "preclose", "isST", "first", "row")


@pytest.fixture(scope="module")
def wide_bars(shared_data: Path) -> list[tuple[PriceBand, Decimal, Decimal]]:
    """Band, low and high of every bar that moved 4 % or more and had a limit."""
    bars = (
        pl.scan_parquet(shared_data / "cn" / "raw_baostock_2020_2025.parquet")
        .filter(pl.col("tradestatus") == 1)
        .with_columns(pl.col("date").cast(pl.Date))
        .sort("ts_code", "date")
        .with_columns(
            first=pl.col("date").min().over("ts_code"),
            row=pl.int_range(pl.len()).over("ts_code"),
        )
        .filter(
            (pl.col("high") >= pl.col("preclose") * 1.04)
            | (pl.col("low") <= pl.col("preclose") * 0.96)
        )
        .select(COLUMNS)
        .collect()
    )
    banded = []
    for symbol, session, low, high, reference, is_st, first, row in bars.iter_rows():
        is_old = first == HISTORY_FIRST
        band = CN.price_band(
            Listing(symbol, date(2000, 1, 4) if is_old else first, bool(is_st)),
            Decimal(str(reference)),
            session,
            sessions_listed=1_000 if is_old else row + 1,
        )
        if band is not None:
            banded.append((band, Decimal(str(low)), Decimal(str(high))))
    return banded


def test_no_bar_leaves_its_band(wide_bars: list[tuple[PriceBand, Decimal, Decimal]]) -> None:
    outside = [bar for bar in wide_bars if bar[1] < bar[0].lower or bar[2] > bar[0].upper]
    assert outside == []


def test_limits_are_touched_to_the_cent(
    wide_bars: list[tuple[PriceBand, Decimal, Decimal]],
) -> None:
    touched = [bar for bar in wide_bars if bar[1] == bar[0].lower or bar[2] == bar[0].upper]
    # A band one cent too wide would never be touched.
    assert len(touched) > 2_000
