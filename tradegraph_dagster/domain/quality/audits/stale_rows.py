"""The same bar over and over, with the same volume."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    PRICES,
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "stale_rows"
# Prices of a thin name may repeat; not with the same volume to a share.
MIN_ROWS = 3


def find_stale_rows(history: VendorHistory) -> pl.DataFrame:
    """Runs of traded rows that repeat prices and volume."""
    traded = history.closes.filter(pl.col("volume") > 0)
    runs = (
        traded.with_columns(run=pl.struct("symbol", *PRICES, "volume").rle_id())
        .group_by("symbol", "run", maintain_order=True)
        .agg(
            pl.col("session", "close", "volume").first(),
            last_session=pl.col("session").last(),
            rows=pl.len(),
        )
        .filter(pl.col("rows") >= MIN_ROWS)
    )
    return to_history_findings(
        runs,
        NAME,
        expected="other prices or another volume from row to row",
        found=pl.format("{} rows of close {}, volume {}", "rows", rounded("close"), "volume"),
    )


AUDIT = Audit(name=NAME, find=find_stale_rows)
