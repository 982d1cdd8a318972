"""The same dividend on record twice within days."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "repeated_dividend"
# Nobody pays more often than weekly.
MAX_DAYS = 5
SAME_FRAC = 1e-6


def find_repeated_dividends(history: VendorHistory) -> pl.DataFrame:
    """Dividends of the same amount as the one before, a few days apart."""
    paid = history.rows.filter(pl.col("cash") > 0).with_columns(
        session=pl.col("at").dt.date(),
        before=pl.col("cash").shift(1).over("symbol"),
        days=pl.col("at").diff().over("symbol").dt.total_days(),
    )
    same = (pl.col("cash") - pl.col("before")).abs() <= SAME_FRAC * pl.col("cash")
    return to_history_findings(
        # Rows repeated as a whole are another audit's.
        paid.filter(same, pl.col("days").is_between(1, MAX_DAYS)),
        NAME,
        expected="one dividend at a time",
        found=pl.format("{} again after {} days", rounded("cash"), "days"),
    )


AUDIT = Audit(name=NAME, find=find_repeated_dividends)
