"""Few strategies share a symbol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_strategies(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny where too many strategies have a position or a working order, this one included."""
    symbol, most = order.symbol, limits["max_strategies"]
    others = view.bound.strategies(symbol)
    together = sorted(others | {order.strategy})
    inputs = {
        "held_shares": view.held(symbol),
        "strategies": ", ".join(together),
        "max_strategies": most,
    }
    if view.held(symbol) != 0 and not view.account.holders.get(symbol):
        return GATE.cannot_tell(f"which strategies hold {symbol}", inputs)
    return GATE.decides(
        len(together) <= most,
        f"{len(together)} strategies would be in {symbol}, allowed are {most}",
        inputs,
    )


GATE = Gate(
    number=13,
    name="open_positions",
    doc="At most `max_strategies` have a position or a working order in the symbol.",
    defaults={"max_strategies": 2},
    judge=judge_strategies,
    hard_caps={"max_strategies": (1, 10)},
)
