"""One row a session that sums up its adjusted bars: what a table-wide contract is checked on.

The gates judge rows; a profile shows what is wrong with a session as a whole, and costs the
contract a row a session instead of thousands.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from tradegraph_dagster.domain.core.frames import (
    Column,
    FrameSchema,
    conform_frame,
)
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.quality.schema import GateInput

PRICES = ("open", "high", "low", "close", "raw_open", "raw_high", "raw_low", "raw_close")
FACTORS = ("price_factor", "share_factor")
MEASURED = (*PRICES, *FACTORS, "volume", "amount")

SESSION_PROFILES = FrameSchema(
    name="session_profiles",
    doc="A session's adjusted bars in one row.",
    key=("session",),
    columns={
        "session": Column(pl.Date, "trading date"),
        "rows": Column(pl.Int64, "bars", "rows"),
        "repeated_keys": Column(pl.Int64, "bars of a symbol that already has one", "rows"),
        "required_nulls": Column(pl.Int64, "nulls in columns that may have none", "values"),
        "traded_nulls": Column(pl.Int64, "prices and volumes missing though traded", "values"),
        "not_finite": Column(pl.Int64, "prices, factors, volumes or amounts not finite", "values"),
        "lowest_price": Column(pl.Float64, "of any price column", nullable=True),
        "highest_price": Column(pl.Float64, "of any price column", nullable=True),
        "lowest_factor": Column(pl.Float64, "of both factors", nullable=True),
        "highest_factor": Column(pl.Float64, "of both factors", nullable=True),
        "lowest_turnover": Column(pl.Float64, "of volume and amount", nullable=True),
        "high_below_low": Column(pl.Int64, "bars, adjusted or raw", "rows"),
        "least_sessions_listed": Column(pl.Int64, "of any bar", "sessions", nullable=True),
        "suspended_frac": Column(pl.Float64, "suspended over all bars; 0 without bars"),
        "total_amount": Column(pl.Float64, "turnover of all bars", "quote currency"),
        "listed_without_bar": Column(pl.Int64, "instruments", "rows"),
        "bars_not_listed": Column(pl.Int64, "bars without an instrument", "rows"),
    },
)


def profile_sessions(gate_input: GateInput) -> pl.DataFrame:
    """SESSION_PROFILES rows of the sessions to judge, one each, also where there is no bar."""
    days = pl.DataFrame({"session": sorted(set(gate_input.sessions))}, schema={"session": pl.Date})
    bars = gate_input.judged
    whole = days
    for part in (
        bars.group_by("session").agg(**_measures()),
        _count(gate_input.missing, "listed_without_bar"),
        _count(bars.filter(pl.col("listed_on").is_null()), "bars_not_listed"),
    ):
        whole = whole.join(part, on="session", how="left")
    counted = [name for name, column in SESSION_PROFILES.columns.items() if not column.nullable]
    return conform_frame(whole.with_columns(pl.col(counted[1:]).fill_null(0)), SESSION_PROFILES)


def _measures() -> dict[str, pl.Expr]:
    traded = ~pl.col("is_suspended")
    below = [pl.col(high) < pl.col(low) for high, low in (("high", "low"), ("raw_high", "raw_low"))]
    return {
        "rows": pl.len(),
        "repeated_keys": pl.len() - pl.col("symbol").n_unique(),
        "required_nulls": _total(pl.col(name).null_count() for name in ADJUSTED_BARS.required),
        "traded_nulls": _total(
            (pl.col(name).is_null() & traded).sum() for name in (*PRICES, "volume")
        ),
        "not_finite": _total((~pl.col(name).is_finite()).sum() for name in MEASURED),
        "lowest_price": pl.min_horizontal(pl.col(name).min() for name in PRICES),
        "highest_price": pl.max_horizontal(pl.col(name).max() for name in PRICES),
        "lowest_factor": pl.min_horizontal(pl.col(name).min() for name in FACTORS),
        "highest_factor": pl.max_horizontal(pl.col(name).max() for name in FACTORS),
        "lowest_turnover": pl.min_horizontal(pl.col("volume").min(), pl.col("amount").min()),
        "high_below_low": (below[0] | below[1]).sum(),
        "least_sessions_listed": pl.col("sessions_listed").min(),
        "suspended_frac": pl.col("is_suspended").mean(),
        "total_amount": pl.col("amount").sum(),
    }


def _total(counts: Iterable[pl.Expr]) -> pl.Expr:
    return pl.sum_horizontal(count.cast(pl.Int64) for count in counts)


def _count(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.group_by("session").agg(pl.len().alias(name))
