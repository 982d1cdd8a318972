"""Orders leave at a rate that no runaway reaches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_rate(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny while too many were sent lately, in the session, or in the symbol.

    It looks at what was sent before the decision. Within a decision the sender keeps the pace.
    """
    now, bound = view.environment.now, view.bound
    counts = {
        "max_per_second": _since(view.sent_at, now - timedelta(seconds=1)) + 1,
        "max_per_minute": _since(view.sent_at, now - timedelta(minutes=1)) + 1,
        "max_per_session": bound.sent_in_session + 1,
        "max_per_symbol": bound.sent(order.symbol) + 1,
    }
    inputs = {
        **{name.removeprefix("max_"): count for name, count in counts.items()},
        "now": now,
        **limits,
    }
    above = [name for name, count in counts.items() if not count <= limits[name]]
    reason = "; ".join(f"{name}: {counts[name]} orders, {limits[name]} allowed" for name in above)
    return GATE.decides(not above, reason, inputs)


def _since(sent_at: Sequence[datetime], start: datetime) -> int:
    """Calls after `start`; instants after the present, as a clock set back has them, count too."""
    return len(sent_at) - bisect_right(sent_at, start)


GATE = Gate(
    number=20,
    name="order_rate",
    doc=(
        "With this order at most `max_per_second`, `max_per_minute`, `max_per_session` and, in its "
        "symbol and session, `max_per_symbol` are sent."
    ),
    defaults={
        "max_per_second": 10,
        "max_per_minute": 180,
        "max_per_session": 500,
        "max_per_symbol": 20,
    },
    judge=judge_rate,
    hard_caps={
        "max_per_second": (1, 1_000),
        "max_per_minute": (1, 60_000),
        "max_per_session": (1, 20_000),
        "max_per_symbol": (1, 1_000),
    },
    holds_reductions=True,
)
