"""Only what is known, listed and not suspended or restricted is traded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_instrument(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny an instrument that is not known or must not be traded."""
    known = view.instruments.get(order.symbol)
    if known is None:
        return GATE.cannot_tell(f"instrument {order.symbol}", {"symbol": order.symbol})
    refusal = known.refusal
    return GATE.decides(
        refusal is None,
        f"{order.symbol} must not be traded: {refusal}",
        {"symbol": order.symbol, "refusal": "none" if refusal is None else refusal},
    )


GATE = Gate(
    number=5,
    name="instrument_tradable",
    doc="The instrument is known, listed, not suspended, not delisting and not restricted.",
    defaults={},
    judge=judge_instrument,
    holds_reductions=True,
)
