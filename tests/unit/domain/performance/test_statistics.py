from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from tests.support.make_bars import weekdays
from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.performance.statistics import (
    compounded,
    max_drawdown,
    pnl_to_summary,
    sharpe_with_error,
)

YEAR = 252


def make_rows(returns: list[float], **columns: object) -> pl.DataFrame:
    frame = pl.DataFrame({"session": weekdays(len(returns)), "return_frac": returns})
    return conform_frame(
        frame.with_columns(
            *(pl.lit(0.0).alias(name) for name in DAILY_PNL.columns if name not in frame.columns)
        ).with_columns(pl.lit(value).alias(name) for name, value in columns.items()),
        DAILY_PNL,
    )


def test_a_known_range() -> None:
    returns = [0.10, -0.20, 0.05]
    rows = make_rows(returns, fees=3.0, traded_notional=6000.0, turnover_frac=0.02).with_columns(
        pnl=pl.Series([10.0, -20.0, 0.0]), benchmark_return_frac=pl.Series([0.1, 0.0, 0.1])
    )
    summary = pnl_to_summary(rows, sessions_per_year=YEAR)
    total = 1.10 * 0.80 * 1.05
    assert summary.sessions == 3
    assert summary.total_return_frac == pytest.approx(total - 1)
    assert summary.annualised_return_frac == pytest.approx(total ** (YEAR / 3) - 1)
    assert summary.annualised_volatility_frac == pytest.approx(
        np.std(returns, ddof=1) * math.sqrt(YEAR)
    )
    assert summary.max_drawdown_frac == pytest.approx(0.20)
    assert summary.annualised_turnover_frac == pytest.approx(0.02 * YEAR)
    assert summary.cost_bps == pytest.approx(5.0)
    assert summary.hit_rate_frac == pytest.approx(0.5)
    assert summary.benchmark_total_return_frac == pytest.approx(0.21)


def test_sharpe_and_its_error_against_scipy() -> None:
    returns = np.random.default_rng(7).standard_t(4, 500) * 0.01 + 0.0005
    ratio, error = sharpe_with_error(returns.tolist(), YEAR)
    once = returns.mean() / returns.std(ddof=1)
    variance = (
        1 - stats.skew(returns) * once + (stats.kurtosis(returns, fisher=False) - 1) / 4 * once**2
    ) / len(returns)
    assert ratio == pytest.approx(once * math.sqrt(YEAR))
    assert error == pytest.approx(math.sqrt(variance * YEAR))


def test_for_normal_returns_the_error_is_the_simple_one() -> None:
    returns = stats.norm.ppf((np.arange(4000) + 0.5) / 4000) * 0.01 + 0.001
    ratio, error = sharpe_with_error(returns.tolist(), 1)
    assert ratio is not None
    assert error == pytest.approx(math.sqrt((1 + ratio**2 / 2) / 4000), rel=0.01)


@pytest.mark.parametrize("returns", [[0.01], [0.0, 0.0, 0.0]])
def test_without_spread_there_is_no_ratio(returns: list[float]) -> None:
    summary = pnl_to_summary(make_rows(returns), sessions_per_year=YEAR)
    assert summary.sharpe is None
    assert summary.sharpe_standard_error is None
    assert summary.cost_bps is None
    assert summary.hit_rate_frac is None


def test_a_first_loss_counts_against_the_start() -> None:
    assert max_drawdown(compounded([-0.5, 1.0])) == pytest.approx(0.5)


def test_ruin_has_no_annual_return() -> None:
    summary = pnl_to_summary(make_rows([-1.0, 0.1]), sessions_per_year=YEAR)
    assert summary.annualised_return_frac is None
    assert summary.max_drawdown_frac == 1.0


def test_no_rows_are_refused() -> None:
    with pytest.raises(SchemaError):
        pnl_to_summary(DAILY_PNL.empty(), sessions_per_year=YEAR)
