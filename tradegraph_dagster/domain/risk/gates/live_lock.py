"""Real money is traded only while live trading is armed for this very account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder

MODES = ("dry_run", "paper", "live")


def judge_lock(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny where the lock refuses; a mode that nobody knows is not known to be safe."""
    environment = view.environment
    refusal = environment.lock_refusal
    inputs = {"mode": environment.mode, "lock": "no objection" if refusal is None else refusal}
    if environment.mode not in MODES:
        return GATE.cannot_tell(f"a mode that is one of {', '.join(MODES)}", inputs)
    return GATE.decides(refusal is None, f"live trading is not armed: {refusal}", inputs)


GATE = Gate(
    number=1,
    name="live_lock",
    doc="Live trading is armed, has not expired, and is meant for this host and account.",
    defaults={},
    judge=judge_lock,
    holds_reductions=True,
)
