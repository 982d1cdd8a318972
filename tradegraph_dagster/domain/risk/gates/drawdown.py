"""Far below the highest equity risk is only reduced."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_drawdown(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny new risk while equity stands the limit or more below its peak."""
    peak, equity = view.account.peak_equity, view.account.equity
    most: Decimal = limits["max_drawdown_frac"]
    inputs = {"peak_equity": peak, "equity": equity, "max_drawdown_frac": most}
    if not (is_known(peak) and is_known(equity)):
        return GATE.cannot_tell("the highest equity or the present one", inputs)
    return GATE.decides(
        equity > 0 and peak - equity < most * peak,
        f"equity {equity} is {most:%} or more below its peak {peak}",
        inputs,
    )


GATE = Gate(
    number=18,
    name="drawdown",
    doc="Equity is less than `max_drawdown_frac` below its highest; else only sales.",
    defaults={"max_drawdown_frac": 0.10},
    judge=judge_drawdown,
    hard_caps={"max_drawdown_frac": (0.0, 0.50)},
)
