"""Historical VaR by one pinned quantile. Golden figures: the risk section of the trading facts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gate_scenes import (
    ACCOUNT,
    OTHER,
    SYMBOL,
    VIEW,
    Scene,
    ask,
    make_proposal,
    make_working,
)
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.historical_var import historical_var
from tradegraph_dagster.domain.risk.order_gate import GateOutcome

RETURNS = np.sort(np.random.default_rng(7).normal(0, 0.01, 250))
CONFIDENCE = Decimal("0.95")


def test_the_pinned_quantile() -> None:
    loss = historical_var(RETURNS, CONFIDENCE)
    assert loss is not None
    assert round(loss, 10) == Decimal("0.0168867158")
    assert loss == Decimal(repr(-float(RETURNS[12])))


def test_other_quantiles_of_the_same_returns_differ() -> None:
    linear = -np.quantile(RETURNS, 0.05, method="linear")
    higher = -np.quantile(RETURNS, 0.05, method="higher")
    assert (round(linear, 10), round(higher, 10)) == (0.0168846122, 0.0168820412)


@pytest.mark.parametrize("count", range(1, 300))
def test_it_is_numpys_lower_quantile_at_every_length(count: int) -> None:
    profits = np.random.default_rng(count).normal(0, 100, count)
    expected = -np.quantile(profits, 0.05, method="lower")
    assert historical_var(profits, CONFIDENCE) == Decimal(repr(float(expected)))


@given(st.permutations(list(RETURNS[:80])))
def test_the_order_of_sessions_does_not_matter(profits: list[float]) -> None:
    assert historical_var(np.array(profits), CONFIDENCE) == historical_var(RETURNS[:80], CONFIDENCE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 12, 249])
def test_a_return_that_is_not_known_makes_it_unknown(bad: float, at: int) -> None:
    profits = RETURNS.copy()
    profits[at] = bad
    assert historical_var(profits, CONFIDENCE) is None


def test_there_is_none_of_nothing_and_it_is_negative_where_every_session_won() -> None:
    assert historical_var(np.array([]), CONFIDENCE) is None
    assert historical_var(np.full(60, 2.0), CONFIDENCE) == Decimal("-2.0")


def test_todays_weights_are_repriced_with_the_order_and_working_buys() -> None:
    """1,000 of each held and bought name on the golden returns: four times the VaR of one."""
    view = replace(
        VIEW,
        account=replace(ACCOUNT, shares={SYMBOL: 100, OTHER: 100}),
        working=(
            make_working(),
            make_working(client_order_id="w2", side=Side.SELL, symbol=OTHER, open_shares=100),
        ),
        returns={SYMBOL: RETURNS, OTHER: RETURNS},
    )
    order = make_proposal(limit_price=None)
    result = ask("value_at_risk", Scene(order, view))
    assert result.outcome is GateOutcome.PASS
    assert round(Decimal(result.inputs["value_at_risk"]), 6) == Decimal("67.546863")
    assert result.inputs["observations"] == "250"
    opposite = replace(view, returns={SYMBOL: RETURNS, OTHER: -RETURNS})
    hedged = ask("value_at_risk", Scene(order, opposite))
    assert round(Decimal(hedged.inputs["value_at_risk"]), 6) == Decimal("33.773432")
