"""The book, had it been held in the past, would seldom have lost much in a session."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.historical_var import historical_var
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_value_at_risk(
    order: ProposedOrder, view: GateView, limits: Mapping[str, Any]
) -> GateResult:
    """Deny what makes the historical VaR of today's weights too large a share of equity.

    Today's positions, all working buys and the order are repriced on past simultaneous returns.
    """
    equity, bound = view.account.equity, view.bound
    most: Decimal = limits["max_var_frac"]
    value = order.quantity_shares * view.order_price(order)
    profits = bound.profits_with(order.symbol, value if order.side is Side.BUY else -value)
    count = 0 if profits is None else len(profits)
    inputs: dict[str, object] = {"equity": equity, "observations": count, **limits}
    if bound.unpriced or bound.unsimulated or profits is None:
        names = [*bound.unpriced, *bound.unsimulated, order.symbol]
        return GATE.cannot_tell(f"price or past returns of {names[0]}", inputs)
    if count < limits["min_observations"]:
        return GATE.cannot_tell(
            f"enough past returns: {count}, needed are {limits['min_observations']}", inputs
        )
    loss = historical_var(profits, limits["confidence"])
    inputs["value_at_risk"] = loss
    if not (is_known(loss) and is_known(equity)):
        return GATE.cannot_tell("every past return, or equity", inputs)
    return GATE.decides(
        equity > 0 and loss <= most * equity,
        f"one session in {1 / (1 - limits['confidence']):.0f} would have lost {loss:.2f} or more, "
        f"allowed is {most:%} of equity {equity}",
        inputs,
    )


GATE = Gate(
    number=19,
    name="value_at_risk",
    doc=(
        "The loss that today's weights would have exceeded in 1 - `confidence` of past sessions, "
        "at least `min_observations` of them, is at most `max_var_frac` of equity."
    ),
    defaults={"max_var_frac": 0.02, "confidence": 0.95, "min_observations": 60},
    judge=judge_value_at_risk,
    hard_caps={
        "max_var_frac": (0.0, 0.10),
        "confidence": (0.95, 0.999),
        "min_observations": (60, 2_500),
    },
)
