"""A dividend on record that the price knows nothing of."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.dividends import recorded_dividends
from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "phantom_dividend"
# A dividend that the price cannot hide is this many usual moves.
NOISES = 5.0
# It did not fall by it where it fell by less than this part of it.
MOST_FALLEN_FRAC = 0.25
# The longest holidays, with their weekends.
MAX_DAYS = 12


def find_phantom_dividends(history: VendorHistory) -> pl.DataFrame:
    """Dividends too large to go unseen at which the price does not fall.

    There was none, it has another date, or its amount is in another unit. The fall is measured
    against the other names' where there are enough, and to the low, as a name may recover within
    the day. After a long suspension a price says nothing.
    """
    to_low = pl.col("own_move") + (pl.min_horizontal("low", "close") / pl.col("close")).log()
    unseen = recorded_dividends(history).filter(
        pl.col("fall") > NOISES * pl.col("noise"),
        -to_low < MOST_FALLEN_FRAC * pl.col("fall"),
        pl.col("split_ratio") == 1,
        pl.col("days") <= MAX_DAYS,
    )
    return to_history_findings(
        unseen,
        NAME,
        expected=pl.format("a fall by about the dividend {}", rounded("cash")),
        found=pl.format("close {} after {}", rounded("close"), rounded("previous_close")),
    )


AUDIT = Audit(name=NAME, find=find_phantom_dividends)
