"""Everything a folder holds of each symbol, in the shape of an audit."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from tradegraph_dagster.adapters.files.actions import table_to_events
from tradegraph_dagster.adapters.files.bars import complete_bars
from tradegraph_dagster.adapters.files.folder import open_folder
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.quality.history import ROW_TYPES, VendorHistory, rows_to_history

# Enough names for a market, few enough for what is derived from them to stay small.
NAMES_AT_ONCE = 500


def read_history(market: Market, options: FilesOptions) -> Iterator[VendorHistory]:
    """Every bar as delivered, repeated ones too, with the events of its day, by batches of names.

    Events outside the bars of their symbol are left out. Suspended bars have no prices.

    Raises:
        ConfigError: The mapping file or the folder cannot be used.
        SchemaError: Names file, column, what was expected and what was found.
        SourceUnavailable: There is no file.
    """
    mapping = (folder := open_folder(market, options)).mapping
    table = folder.table(mapping.bars)
    actions = None if mapping.actions is None else table_to_events(folder.table(mapping.actions))
    symbols = table.get_column("symbol").unique().sort()
    for batch in symbols.to_frame().iter_slices(NAMES_AT_ONCE):
        bars = complete_bars(table.join(batch, on="symbol", how="semi"), mapping.bars)
        rows = bars.select(name for name in ("session", *ROW_TYPES) if name in bars.columns)
        if actions is not None:
            rows = _with_events(rows, actions.join(batch, on="symbol", how="semi"))
        yield rows_to_history(rows.with_columns(at=pl.col("session").cast(pl.Datetime("us"))))


def _with_events(rows: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Events join every row of their day; those of a day without a row get one of their own."""
    paid = pl.col("rights_ratio") * pl.col("rights_price")
    shares = 1 + pl.col("bonus_ratio") + pl.col("rights_ratio")
    sums = events.select(
        "session",
        "symbol",
        cash=pl.col("cash_per_share") - paid,
        split_ratio=pl.col("split_ratio") * shares,
    )
    spans = rows.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max())
    within = (
        sums.join(spans, on="symbol")
        .filter(pl.col("session").is_between("first", "last"))
        .drop("first", "last")
    )
    return rows.join(within, on=["symbol", "session"], how="full", coalesce=True)
