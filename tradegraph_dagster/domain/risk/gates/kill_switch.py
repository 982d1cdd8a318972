"""Nothing is sent while the kill switch is engaged or cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_switch(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny while there is a reason to halt."""
    halt = view.environment.halt
    return GATE.decides(
        halt is None, f"trading is halted: {halt}", {"halt": "none" if halt is None else halt}
    )


GATE = Gate(
    number=2,
    name="kill_switch",
    doc="The kill switch can be read and is off.",
    defaults={},
    judge=judge_switch,
    holds_reductions=True,
)
