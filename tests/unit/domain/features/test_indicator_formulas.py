"""Formulas are translated once, each part once, and what is not a formula is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.bar_grids import one_instrument_grid
from tests.support.technical_oracle import traded_fields
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.features.indicator_formulas import Step, formulas_to_plan
from tradegraph_dagster.domain.features.indicators import compute_indicators


def test_a_part_that_two_formulas_share_is_one_step() -> None:
    plan = formulas_to_plan(
        ("macd(close, 12, 26, 9).hist / close", "macd(close, 12, 26, 9).macd / close")
    )
    assert plan.inner == (
        Step("macd", (3,), (12, 26, 9)),
        Step("pick", (5,), (2,)),
        Step("pick", (5,), (0,)),
    )
    assert [step.operation for step in plan.outer].count("read") == 3
    assert len(plan.results) == 2


def test_arithmetic_that_talib_reads_belongs_to_the_inner_part() -> None:
    plan = formulas_to_plan(("sma(close * volume, 5) - 1",))
    assert plan.inner == (Step("multiply", (3, 4)), Step("sma", (5,), (5,)))
    assert [step.operation for step in plan.outer] == ["read", "number", "subtract"]


def test_arithmetic_binds_as_in_python() -> None:
    fields = traded_fields(0, 5)
    computed = compute_indicators(
        one_instrument_grid(fields),
        ("high - low * 2 + 8 / close", "(high - low) * 2", "mom(volume + 1, 1)"),
        warm_up=10,
    )[:, :, 0]
    high, low, close, volume = (fields[name] for name in ("high", "low", "close", "volume"))
    np.testing.assert_allclose(computed[0], high - low * 2 + 8 / close, rtol=1e-6)
    np.testing.assert_allclose(computed[1], (high - low) * 2, rtol=1e-6)
    np.testing.assert_allclose(computed[2][1:], volume[1:] - volume[:-1], rtol=1e-6)


def test_an_infinite_result_is_missing() -> None:
    fields = traded_fields(0, 5) | {"open": np.full(5, 2.0)}
    computed = compute_indicators(
        one_instrument_grid(fields), ("close / (open - 2)", "open * 1e300 / close"), warm_up=10
    )
    assert np.isnan(computed).all()


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        ("sma(close, 5", "sma(close, 5"),
        ("sma(closed, 5)", "closed"),
        ("macd(close, 12, 26, 9)", "macd(close, 12, 26, 9)"),
        ("macd(close, 12, 26, 9).line", "macd(close, 12, 26, 9).line"),
        ("rsi(close, 14).k", "rsi(close, 14).k"),
        ("close ** 2", "close ** 2"),
        ("-close", "-close"),
        ("sma(5, close)", "sma(5, close)"),
        ("sma(5)", "sma(5)"),
        ("sma(close, timeperiod=5)", "sma(close, timeperiod=5)"),
        ("close / 'x'", "'x'"),
        ("(lambda: close)()", "(lambda: close)()"),
    ],
)
def test_anything_else_is_refused(formula: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        formulas_to_plan((formula,))
    assert f"found '{found}'" in str(caught.value)


def test_a_function_that_talib_lacks_is_named() -> None:
    grid = one_instrument_grid(traded_fields(0, 5))
    with pytest.raises(ConfigError, match=r"TA-Lib 0\.8.*found 'smma'"):
        compute_indicators(grid, ("smma(close, 5)",), warm_up=10)
