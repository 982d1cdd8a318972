"""A dividend on record that the vendor's adjusted close does not know of."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.dividends import recorded_dividends
from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "dividend_not_applied"
# Half of the hundredth that would be a dividend in another unit.
MOST_APPLIED_FRAC = 0.005


def find_unapplied_dividends(history: VendorHistory) -> pl.DataFrame:
    """Dividends at which adjusted over unadjusted close stays what it was."""
    unapplied = recorded_dividends(history).filter(pl.col("applied_frac").abs() < MOST_APPLIED_FRAC)
    return to_history_findings(
        unapplied,
        NAME,
        expected=pl.format("an adjusted close that takes in the dividend {}", rounded("cash")),
        found=pl.format("adjusted over unadjusted close moved by {}", rounded("adjustment")),
    )


AUDIT = Audit(name=NAME, find=find_unapplied_dividends)
