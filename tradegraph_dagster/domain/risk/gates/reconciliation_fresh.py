"""Orders rest on books that were compared with the broker's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_books(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny where the last session's books were not compared, or an incident is open."""
    environment = view.environment
    open_for = [key for key in ("", order.symbol) if key in view.incidents]
    incident = view.incidents[open_for[0]] if open_for else None
    inputs = {
        "last_session": environment.last_session,
        "reconciled_session": environment.reconciled_session,
        "reconciled_at": environment.reconciled_at,
        "incident": "none" if incident is None else incident,
    }
    if environment.reconciled_session is None or environment.reconciled_at is None:
        return GATE.cannot_tell("when the books were last compared with the broker's", inputs)
    if environment.reconciled_session != environment.last_session:
        return GATE.fails(
            f"the books of {environment.last_session} were not compared with the broker's, those "
            f"of {environment.reconciled_session} were",
            inputs,
        )
    return GATE.decides(
        incident is None, f"an incident waits for a person to acknowledge it: {incident}", inputs
    )


GATE = Gate(
    number=3,
    name="reconciliation_fresh",
    doc="The books of the last session were compared, and no incident is open for the symbol.",
    defaults={},
    judge=judge_books,
    holds_reductions=True,
)
