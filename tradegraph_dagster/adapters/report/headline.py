"""The few numbers a market is judged by, each with its uncertainty where it has one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.adapters.report.story import MarketStory
from tradegraph_dagster.domain.models.ic import mean_with_error

ANNUAL_SESSIONS = 252

_MONTHLY = {"month": pl.Date, "mean": pl.Float64, "error": pl.Float64, "values": pl.Int64}


@dataclass(frozen=True)
class Estimate:
    """A mean-like figure, its standard error and how many values it rests on."""

    value: float | None
    error: float | None
    values: int

    @property
    def is_clear_of_zero(self) -> bool:
        """Whether zero is more than two standard errors away."""
        return bool(self.value is not None and self.error and abs(self.value) > 2 * self.error)


@dataclass(frozen=True)
class Headline:
    """Everything the tiles show; None where there is nothing to compute it from."""

    sessions: int
    first: date | None
    last: date | None
    equity: float | None
    return_frac: float | None
    benchmark_frac: float | None
    drawdown_frac: float | None
    max_drawdown_frac: float | None
    sharpe: Estimate
    rank_ic: Estimate
    turnover_frac: float | None
    fees: float
    cost_bps: float | None
    orders: int
    fills: int
    breaks: int


def story_to_headline(story: MarketStory) -> Headline:
    """Summarise one market."""
    book = story.daily_pnl.sort("session")
    returns = book["return_frac"].to_numpy()
    falls = drawdowns(returns)
    traded, fees = float(book["traded_notional"].sum()), float(book["fees"].sum())
    has_book = book.height > 0
    return Headline(
        sessions=book.height,
        first=book["session"][0] if has_book else None,
        last=book["session"][-1] if has_book else None,
        equity=float(book["equity"][-1]) if has_book else None,
        return_frac=_compound(returns),
        benchmark_frac=_compound(book["benchmark_return_frac"].to_numpy()),
        drawdown_frac=float(falls[-1]) if has_book else None,
        max_drawdown_frac=float(falls.max()) if has_book else None,
        sharpe=sharpe_ratio(returns),
        rank_ic=mean_estimate(story.signal.sort("session")["rank_ic"], overlap=story.overlap),
        turnover_frac=float(book["turnover_frac"].to_numpy().mean()) if has_book else None,
        fees=fees,
        cost_bps=1e4 * fees / traded if traded > 0 else None,
        orders=story.orders.height,
        fills=story.fills.height,
        breaks=story.breaks.height,
    )


def sharpe_ratio(returns: np.ndarray) -> Estimate:
    """Annualised Sharpe ratio of session returns, cash rate 0.

    Source of the standard error, independent returns: Lo, The Statistics of Sharpe Ratios, 2002.
    """
    if len(returns) < 2 or not returns.std(ddof=1) > 0:
        return Estimate(None, None, len(returns))
    ratio = float(returns.mean() / returns.std(ddof=1))
    scale = ANNUAL_SESSIONS**0.5
    error = ((1 + ratio**2 / 2) / len(returns)) ** 0.5
    return Estimate(scale * ratio, scale * error, len(returns))


def mean_estimate(values: Iterable[float | None], *, overlap: int) -> Estimate:
    """Mean of a session's figure and its standard error, by `mean_with_error`."""
    return Estimate(*mean_with_error(values, overlap=overlap))


def drawdowns(returns: np.ndarray) -> np.ndarray:
    """Fall from the highest growth so far, 0 at a peak; growth starts at 1."""
    growth = np.cumprod(1 + returns)
    return 1 - growth / np.maximum.accumulate(np.maximum(growth, 1.0))


def monthly_estimates(
    frame: pl.DataFrame, month: pl.Expr, column: str, *, overlap: int
) -> pl.DataFrame:
    """Mean, standard error and count of a session's figure by month.

    Args:
        frame: With `session` and the column; a null does not count.
        month: What to group by.
        column: The figure.
        overlap: As in `mean_with_error`: a month is too short for labels of many sessions.

    Returns:
        month, mean, error (null where there are too few values), values; sorted by month.
    """
    known = frame.drop_nulls(column).sort("session").with_columns(month.alias("month"))
    rows = [
        (first, *mean_with_error(part[column], overlap=overlap))
        for (first,), part in known.partition_by("month", as_dict=True).items()
    ]
    return pl.DataFrame(rows, schema=_MONTHLY, orient="row").sort("month")


def _compound(returns: np.ndarray) -> float | None:
    return float(np.prod(1 + returns) - 1) if len(returns) else None
