"""Bars and instruments of the same sessions, matched by whole numbers instead of by text."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL


def match_listings(
    bars: pl.DataFrame, instruments: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars with the listing of their symbol, and the instruments without a bar.

    Args:
        bars: Rows with `session` and `symbol`.
        instruments: INSTRUMENTS rows of the same sessions.

    Returns:
        `bars` with `listed_on`, null where the symbol is no instrument of the session; and the
        rows of `instruments` that no bar matches.
    """
    of_bars, of_instruments = session_symbol_keys(bars, instruments)
    listed = instruments.select(of_instruments, "listed_on")
    matched = of_bars.to_frame().join(listed, on="key", how="left", maintain_order="left")
    missing = instruments.filter(~of_instruments.is_in(of_bars.implode()))
    return bars.with_columns(matched.get_column("listed_on")), missing


def without_rows(bars: pl.DataFrame, removed: pl.DataFrame) -> pl.DataFrame:
    """`bars` without those whose session and symbol are in `removed`."""
    of_bars, of_removed = session_symbol_keys(bars, removed)
    return bars.filter(~of_bars.is_in(of_removed.implode()))


def session_symbol_keys(*frames: pl.DataFrame) -> list[pl.Series]:
    """A whole number for each row of each frame: equal, and in order, where (session, symbol) are.

    Joins and sorts are many times quicker by it. The numbers hold for these frames only.
    """
    names = pl.concat([frame.get_column("symbol").unique() for frame in frames]).unique().sort()
    symbols = pl.Enum(names)
    day, symbol = (pl.col(name) for name in SESSION_SYMBOL)
    whole = day.to_physical().cast(pl.Int64) * len(names) + symbol.cast(symbols).to_physical()
    keys = [frame.select(key=whole).to_series() for frame in frames]
    return [key.set_sorted() if key.is_sorted() else key for key in keys]
