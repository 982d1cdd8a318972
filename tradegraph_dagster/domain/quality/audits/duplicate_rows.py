"""Several rows of one symbol for one moment."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    ROW_TYPES,
    Audit,
    VendorHistory,
    to_history_findings,
)

NAME = "duplicate_rows"


def find_duplicate_rows(history: VendorHistory) -> pl.DataFrame:
    """Moments with more than one row; whether they say the same is in the finding."""
    repeated = history.rows.filter(pl.struct("symbol", "at").is_duplicated())
    moments = (
        repeated.with_columns(content=pl.struct(*ROW_TYPES))
        .group_by("symbol", "at", maintain_order=True)
        .agg(rows=pl.len(), versions=pl.col("content").n_unique())
        .with_columns(session=pl.col("at").dt.date())
    )
    return to_history_findings(
        moments,
        NAME,
        expected="one row a moment",
        found=pl.format("{} rows in {} versions", "rows", "versions"),
    )


AUDIT = Audit(name=NAME, find=find_duplicate_rows)
