"""No order may lead to a position above a share of equity."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_position(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny what comes to too much with all working orders of its direction filled."""
    symbol, equity, bound = order.symbol, view.account.equity, view.bound
    most: Decimal = limits["max_position_frac"]
    price, held = view.order_price(order), view.held(symbol)
    if order.side is Side.BUY:
        after = held + bound.open_buys(symbol) + order.quantity_shares
    else:
        after = held - bound.frozen(symbol) - order.quantity_shares
    value = abs(after) * price
    inputs = {
        "held_shares": held,
        "open_buys": bound.open_buys(symbol),
        "frozen": bound.frozen(symbol),
        "quantity_shares": order.quantity_shares,
        "price": price,
        "value": value,
        "equity": equity,
        "max_position_frac": most,
    }
    if not (is_known(equity) and is_known(value)):
        return GATE.cannot_tell("equity or the value of the position", inputs)
    return GATE.decides(
        equity > 0 and value <= most * equity,
        f"the position would be worth {value}, allowed is {most:%} of equity {equity}",
        inputs,
    )


GATE = Gate(
    number=12,
    name="position_limit",
    doc=(
        "The position, with all working orders of the direction filled, is worth at most "
        "`max_position_frac` of equity."
    ),
    defaults={"max_position_frac": 0.05},
    judge=judge_position,
    hard_caps={"max_position_frac": (0.0, 0.25)},
)
