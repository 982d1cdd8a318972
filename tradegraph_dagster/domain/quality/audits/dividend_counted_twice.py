"""A dividend that the vendor's adjusted close takes in twice, or with its capital gains again."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.dividends import recorded_dividends
from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "dividend_counted_twice"
# Vendors differ in whether the yield is of the close before or after: on a dividend of a fifth of
# the price that is a quarter of it. Nearer to two than to one, by more than that.
TWICE = (1.7, 2.3)
# Less of the dividend than this is hidden by the same difference.
SMALLEST_GAINS_FRAC = 0.1


def find_double_counts(history: VendorHistory) -> pl.DataFrame:
    """Dividends that the adjusted close moves by twice.

    Funds pay out capital gains as a part of the dividend. A vendor that lists both may add them.
    """
    dividends = recorded_dividends(history)
    both = 1 + pl.col("capital_gains") / pl.col("cash")
    nearer_to_both = (pl.col("applied_frac") - both).abs() < (both - 1) / 4
    gains_again = (pl.col("capital_gains") > SMALLEST_GAINS_FRAC * pl.col("cash")) & nearer_to_both
    return to_history_findings(
        dividends.filter(gains_again | pl.col("applied_frac").is_between(*TWICE)),
        NAME,
        expected=pl.format("an adjusted close that takes in {} once", rounded("cash")),
        found=pl.format(
            "it takes in {} times that; capital gains {}",
            rounded("applied_frac"),
            rounded("capital_gains"),
        ),
    )


AUDIT = Audit(name=NAME, find=find_double_counts)
