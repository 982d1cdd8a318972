"""Only the weights of an approved, unaltered model that still fits are traded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_model(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny weights of no known model, or of one that must not be traded."""
    version, refusal = view.environment.model_version, view.environment.model_refusal
    inputs = {"model_version": version, "refusal": "none" if refusal is None else refusal}
    if not version:
        return GATE.cannot_tell("the model that the weights came from", inputs)
    return GATE.decides(refusal is None, f"model {version} must not be traded: {refusal}", inputs)


GATE = Gate(
    number=21,
    name="model_approved",
    doc="The model is an approved version, carries its signature, and has not drifted red.",
    defaults={},
    judge=judge_model,
    holds_reductions=True,
)
