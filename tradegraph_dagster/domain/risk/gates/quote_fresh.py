"""Orders are sized by the newest price there is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_quote(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny an old price: a close of an earlier session, or a quote of too many seconds ago."""
    environment, known = view.environment, view.instruments.get(order.symbol)
    session = None if known is None else known.quote_session
    quoted_at = None if known is None else known.quote_at
    most: Decimal = limits["max_age_seconds"]
    inputs = {
        "quote_session": session,
        "last_session": environment.last_session,
        "quote_at": "close" if quoted_at is None else quoted_at,
        "now": environment.now,
        "max_age_seconds": most,
    }
    if session is None:
        return GATE.cannot_tell(f"the session of the newest price of {order.symbol}", inputs)
    if session != environment.last_session:
        return GATE.fails(
            f"the newest price is of {session}, the last session was {environment.last_session}",
            inputs,
        )
    age = 0.0 if quoted_at is None else (environment.now - quoted_at).total_seconds()
    return GATE.decides(0 <= age <= most, f"the quote is {age} s old, allowed are {most} s", inputs)


GATE = Gate(
    number=6,
    name="quote_fresh",
    doc="The price is the last session's close, or a quote of at most `max_age_seconds` ago.",
    defaults={"max_age_seconds": 30},
    judge=judge_quote,
    hard_caps={"max_age_seconds": (1, 1_800)},
    holds_reductions=True,
)
