"""The same wish is not sent twice."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_repetition(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny an id that works, and the like of a working order just made.

    A decision that is stored never comes here again: the ledger returns it as it was taken.
    """
    bound, now = view.bound, view.environment.now
    window: Decimal = limits["window_seconds"]
    newest = bound.newest(order)
    inputs = {
        "client_order_id": order.client_order_id,
        "newest_alike": newest if bound.is_working(order) else "none",
        "now": now,
        "window_seconds": window,
    }
    if order.client_order_id in bound.client_order_ids:
        return GATE.fails(f"order {order.client_order_id} is working already", inputs)
    if not bound.is_working(order):
        return GATE.passes(inputs)
    if newest is None:
        return GATE.cannot_tell(f"when the working {order.side} of {order.symbol} was made", inputs)
    age = (now - newest).total_seconds()
    return GATE.decides(
        age >= window,
        f"{order.strategy} made a {order.side} of {order.symbol} {age} s ago, allowed is one in "
        f"{window} s",
        inputs,
    )


GATE = Gate(
    number=11,
    name="duplicate_order",
    doc=(
        "The order is not working already, and the strategy has no working order in the symbol and "
        "direction of the last `window_seconds`."
    ),
    defaults={"window_seconds": 60},
    judge=judge_repetition,
    hard_caps={"window_seconds": (10, 86_400)},
)
