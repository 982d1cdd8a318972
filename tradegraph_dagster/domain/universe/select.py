"""Validated bars and instruments -> who is in the universe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.universe.schema import UNIVERSE, UniversePolicy


def bars_to_universe(
    bars: pl.DataFrame,
    instruments: pl.DataFrame,
    windows: Mapping[date, Sequence[date]],
    *,
    policy: UniversePolicy,
) -> pl.DataFrame:
    """Decide membership of every instrument with a bar on a session.

    Timing: row t reads bars of its window, which ends at t; known after t's close.

    Args:
        bars: VALIDATED_BARS rows of all windows.
        instruments: INSTRUMENTS rows of the sessions; a symbol that is not among them is no member.
        windows: Session t -> its liquidity window, ascending, ending at t.
        policy: Who is a member.

    Returns:
        UNIVERSE rows of the sessions in `windows`.
    """
    current = bars.filter(pl.col("session").is_in(list(windows)))
    listed = instruments.select(*SESSION_SYMBOL, is_listed=pl.lit(True), is_flagged="is_st")
    rows = (
        current.join(listed, on=SESSION_SYMBOL, how="left")
        .join(trailing_mean_amount(bars, windows), on=SESSION_SYMBOL, how="left")
        .with_columns(is_st=pl.col("is_st") | pl.col("is_flagged").fill_null(False))
    )
    is_member = (
        pl.col("is_listed").fill_null(False)
        & ~pl.col("is_suspended")
        & (pl.lit(policy.include_st) | ~pl.col("is_st"))
        & (pl.col("sessions_listed") >= policy.min_sessions_listed)
        & (pl.col("mean_amount") >= policy.min_mean_amount)
    )
    return conform_frame(rows.with_columns(is_member=is_member), UNIVERSE)


def trailing_mean_amount(
    bars: pl.DataFrame, windows: Mapping[date, Sequence[date]]
) -> pl.DataFrame:
    """Mean turnover of each symbol over the bars it has in each window; suspended bars count as 0.

    Every window is summed on its own, oldest session first, so that the result does not depend on
    which other windows are asked for.

    Returns:
        Columns session, symbol, mean_amount; one row for each symbol with a bar in the window.
    """
    days = sorted({day for window in windows.values() for day in window})
    amounts, symbols = _by_session(bars, days)
    position = {day: row for row, day in enumerate(days)}
    parts = []
    for session, window in windows.items():
        total = np.zeros(len(symbols))
        count = np.zeros(len(symbols))
        for day in window:
            amount = amounts[position[day]]
            has_bar = ~np.isnan(amount)
            total = total + np.where(has_bar, amount, 0.0)
            count = count + has_bar
        held = count > 0
        parts.append(
            pl.DataFrame(
                {"symbol": symbols.filter(held), "mean_amount": total[held] / count[held]}
            ).select(pl.lit(session).alias("session"), "symbol", "mean_amount")
        )
    schema = {"session": pl.Date, "symbol": pl.String, "mean_amount": pl.Float64}
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def _by_session(bars: pl.DataFrame, days: Sequence[date]) -> tuple[np.ndarray, pl.Series]:
    """Amounts of shape (days, symbols), NaN where a symbol has no bar, and the symbols."""
    rows = bars.filter(pl.col("session").is_in(list(days)))
    symbols = rows.get_column("symbol").unique().sort()
    order = pl.DataFrame({"symbol": symbols}).with_row_index("column")
    calendar = pl.DataFrame({"session": days}, schema={"session": pl.Date}).with_row_index("row")
    placed = rows.join(calendar, on="session").join(order, on="symbol")
    amounts = np.full((len(days), len(symbols)), np.nan)
    amounts[placed.get_column("row").to_numpy(), placed.get_column("column").to_numpy()] = (
        placed.get_column("amount").to_numpy()
    )
    return amounts, symbols
