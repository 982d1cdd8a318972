"""Risk is taken only where the forecast is sure enough."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder

_ONE = Decimal(1)


def judge_confidence(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny a name that too few of the cross-section score below."""
    confidence, least = order.confidence, limits["min_confidence"]
    inputs = {"confidence": confidence, "min_confidence": least}
    if not (is_known(confidence) and ZERO <= confidence <= _ONE):
        return GATE.cannot_tell(f"the forecast's confidence in {order.symbol}", inputs)
    return GATE.decides(
        confidence >= least,
        f"confidence {confidence} is less than {least}",
        inputs,
    )


GATE = Gate(
    number=10,
    name="confidence",
    doc="At least `min_confidence` of the forecast cross-section score no higher than the name.",
    defaults={"min_confidence": 0.6},
    judge=judge_confidence,
    hard_caps={"min_confidence": (0.0, 1.0)},
)
