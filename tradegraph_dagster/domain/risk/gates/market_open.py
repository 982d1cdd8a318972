"""Orders are for a session that the market holds and that has not ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_session(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny for a day without a session, one that is over, or one before the newest data."""
    environment = view.environment
    inputs = {
        "session": environment.session,
        "is_session": environment.is_session,
        "last_session": environment.last_session,
        "now": environment.now,
        "closes_at": environment.closes_at,
    }
    if environment.is_session is None or environment.closes_at is None:
        return GATE.cannot_tell(f"whether the market opens on {environment.session}", inputs)
    if not environment.is_session:
        return GATE.fails(f"the market is closed on {environment.session}", inputs)
    if not environment.last_session < environment.session:
        return GATE.fails(
            f"the data reach {environment.last_session}: {environment.session} is no later session",
            inputs,
        )
    return GATE.decides(
        environment.now < environment.closes_at,
        f"the session ended at {environment.closes_at}",
        inputs,
    )


GATE = Gate(
    number=4,
    name="market_open",
    doc="The session is one of the market's, later than the data, and has not ended.",
    defaults={},
    judge=judge_session,
    holds_reductions=True,
)
