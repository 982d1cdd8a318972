"""Only settled shares that no other sale has bound are sold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_sellable(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny a sale of more than is sellable in the session and not in other sales."""
    symbol = order.symbol
    held, sellable = view.held(symbol), view.account.sellable.get(symbol)
    frozen = view.bound.frozen(symbol)
    inputs = {
        "quantity_shares": order.quantity_shares,
        "held_shares": held,
        "sellable_shares": sellable,
        "frozen": frozen,
    }
    if order.side is Side.BUY:
        return GATE.passes(inputs)
    if sellable is None and held != 0:
        return GATE.cannot_tell(f"how many of the {held} shares of {symbol} are sellable", inputs)
    free = min(sellable or 0, held) - frozen
    return GATE.decides(
        order.quantity_shares <= free,
        f"{order.quantity_shares} shares are for sale, {free} can be sold in the session",
        inputs,
    )


GATE = Gate(
    number=16,
    name="sellable_shares",
    doc="A sale is at most what is held, settled for the session, and in no other sale.",
    defaults={},
    judge=judge_sellable,
    holds_reductions=True,
)
