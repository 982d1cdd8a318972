"""Summary figures over DAILY_PNL rows, for reports.

With r the session returns, T their number, q the sessions a year:

- total return: prod(1 + r) - 1; annualised: prod(1 + r) ** (q / T) - 1
- volatility: sample standard deviation of r (T - 1) times sqrt(q)
- Sharpe ratio: mean(r) / std(r) * sqrt(q), the riskless return taken as 0
- its standard error, for returns of any shape: with s the ratio a session, g3 the skewness and g4
  the kurtosis (3 for a normal), sqrt((1 - g3 * s + (g4 - 1) / 4 * s**2) / T) * sqrt(q)
  (Lo 2002, "The Statistics of Sharpe Ratios"; Mertens 2002 for the moments)
- maximum drawdown: of the compounded returns, so deposits and withdrawals do not count
- turnover: mean of traded notional over equity, times q; buys and sells both count
- cost: fees over traded notional, in basis points
- hit rate: sessions with a profit over sessions with a profit or a loss
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.performance.schema import DAILY_PNL, PerformanceSummary

_FEWEST_FOR_DEVIATION = 2


def pnl_to_summary(rows: pl.DataFrame, *, sessions_per_year: int) -> PerformanceSummary:
    """Summarise a range of sessions.

    Args:
        rows: DAILY_PNL rows, T >= 1, sorted by session.
        sessions_per_year: 252 in the United States, 242 in China.

    Raises:
        SchemaError: No rows.
    """
    if rows.is_empty():
        raise SchemaError("expected at least one session, found none", table=DAILY_PNL.name)
    returns: list[float] = rows["return_frac"].to_list()
    growth = compounded(returns)
    sharpe, error = sharpe_with_error(returns, sessions_per_year)
    deviation = _deviation(returns)
    notional = math.fsum(rows["traded_notional"])
    moved = [value for value in rows["pnl"] if value != 0]
    return PerformanceSummary(
        sessions=len(returns),
        total_return_frac=growth[-1] - 1,
        annualised_return_frac=_annualise(growth[-1], len(returns), sessions_per_year),
        annualised_volatility_frac=None
        if deviation is None
        else deviation * math.sqrt(sessions_per_year),
        sharpe=sharpe,
        sharpe_standard_error=error,
        max_drawdown_frac=max_drawdown(growth),
        annualised_turnover_frac=_mean(rows["turnover_frac"].to_list()) * sessions_per_year,
        cost_bps=math.fsum(rows["fees"]) / notional * 1e4 if notional > 0 else None,
        hit_rate_frac=sum(value > 0 for value in moved) / len(moved) if moved else None,
        benchmark_total_return_frac=compounded(rows["benchmark_return_frac"].to_list())[-1] - 1,
    )


def compounded(returns: Sequence[float]) -> list[float]:
    """Value of 1 after each session."""
    value, path = 1.0, []
    for one in returns:
        value *= 1 + one
        path.append(value)
    return path


def max_drawdown(growth: Sequence[float]) -> float:
    """Largest 1 - value / earlier peak, >= 0; the start counts as a peak of 1."""
    peak, worst = 1.0, 0.0
    for value in growth:
        peak = max(peak, value)
        worst = max(worst, 1 - value / peak)
    return worst


def sharpe_with_error(
    returns: Sequence[float], sessions_per_year: int
) -> tuple[float | None, float | None]:
    """Annualised Sharpe ratio and its standard error; None without spread."""
    deviation = _deviation(returns)
    if not deviation:
        return None, None
    mean, count = _mean(returns), len(returns)
    ratio = mean / deviation
    second = _moment(returns, mean, 2)
    skewness = _moment(returns, mean, 3) / second**1.5
    kurtosis = _moment(returns, mean, 4) / second**2
    variance = (1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2) / count
    scale = math.sqrt(sessions_per_year)
    return ratio * scale, math.sqrt(max(variance, 0.0)) * scale


def _annualise(growth: float, sessions: int, sessions_per_year: int) -> float | None:
    return growth ** (sessions_per_year / sessions) - 1 if growth > 0 else None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _moment(values: Sequence[float], mean: float, power: int) -> float:
    return math.fsum((value - mean) ** power for value in values) / len(values)


def _deviation(returns: Sequence[float]) -> float | None:
    if len(returns) < _FEWEST_FOR_DEVIATION:
        return None
    mean = _mean(returns)
    return math.sqrt(math.fsum((one - mean) ** 2 for one in returns) / (len(returns) - 1))
