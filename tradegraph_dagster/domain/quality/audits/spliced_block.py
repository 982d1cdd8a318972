"""A block of rows on another level than those before and after it."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    near,
    rounded,
    to_history_findings,
)

NAME = "spliced_block"
# Larger than any price limit but the loosest, and than what shakes a quiet name.
SMALLEST_JUMP = 0.30
NOISES = 10.0
# It goes back by what it came, to this part.
REVERT_FRAC = 0.15
BLOCK_ROWS = 60
# Factors of a hundred are another audit's.
UNIT, UNIT_TOLERANCE = 100.0, 1.5


def find_spliced_blocks(history: VendorHistory) -> pl.DataFrame:
    """Jumps that no event explains and that a later jump takes back.

    A vendor that splices two histories with different factors leaves the same jump in many names
    on one day; how many jump is in the finding.
    """
    jumps = (
        history.closes.filter(
            pl.col("surprise").abs() > SMALLEST_JUMP,
            pl.col("surprise").abs() > NOISES * pl.col("noise"),
            ~near("surprise", UNIT, UNIT_TOLERANCE),
        )
        .with_columns(
            names=pl.col("symbol").n_unique().over("at"),
            back=pl.col("surprise").shift(-1).over("symbol"),
            last_session=pl.col("session").shift(-1).over("symbol"),
            rows=(pl.col("position").shift(-1) - pl.col("position")).over("symbol"),
        )
        .filter(
            pl.col("rows") <= BLOCK_ROWS,
            (pl.col("surprise") + pl.col("back")).abs() < REVERT_FRAC * pl.col("surprise").abs(),
        )
    )
    return to_history_findings(
        jumps,
        NAME,
        expected="one level of prices",
        found=pl.format(
            "close {} after {}, and back after {} rows; {} names jump on the first day",
            rounded("close"),
            rounded("previous_close"),
            "rows",
            "names",
        ),
    )


AUDIT = Audit(name=NAME, find=find_spliced_blocks)
