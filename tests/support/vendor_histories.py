"""Real vendor histories in the shape the audits read."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tradegraph_dagster.domain.quality.history import VendorHistory, rows_to_history

_PRICE_REPAIR = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adjusted_close",
    "Volume": "volume",
    "Dividends": "cash",
    "Stock Splits": "split_ratio",
    "Capital Gains": "capital_gains",
}


def read_price_repair(path: Path) -> VendorHistory:
    """One file of `us/yf_price_repair`: prices and dividends adjusted for splits, any interval."""
    text = pl.read_csv(path, infer_schema=False)
    moment = "Datetime" if "Datetime" in text.columns else "Date"
    present = {theirs: ours for theirs, ours in _PRICE_REPAIR.items() if theirs in text.columns}
    rows = text.select(
        symbol=pl.lit(path.stem),
        # The local time is what counts; the offset changes with the season.
        at=pl.col(moment).str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S"),
        **{ours: pl.col(theirs).cast(pl.Float64) for theirs, ours in present.items()},
    )
    return rows_to_history(rows, prices="split_adjusted")
