"""After a bad session risk is only reduced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_loss(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny new risk once the session has lost the limit, in money or as a share of equity."""
    account = view.account
    start, equity = account.start_equity, account.equity
    inputs = {"start_equity": start, "equity": equity, **limits}
    if not (is_known(start) and is_known(equity)):
        return GATE.cannot_tell("equity at the start of the session or now", inputs)
    loss = start - equity
    return GATE.decides(
        equity > 0
        and loss < limits["max_loss"]
        and (loss <= 0 or loss < limits["max_loss_frac"] * start),
        f"the session lost {loss} of {start}, new risk is taken below {limits['max_loss']} and "
        f"{limits['max_loss_frac']:%}",
        inputs,
    )


GATE = Gate(
    number=17,
    name="daily_loss",
    doc=(
        "The last session, money from outside left out, lost less than `max_loss` (quote "
        "currency) and less than `max_loss_frac` of equity; else only sales until the next."
    ),
    defaults={"max_loss": 5_000, "max_loss_frac": 0.02},
    judge=judge_loss,
    hard_caps={"max_loss": (0, 10_000_000), "max_loss_frac": (0.0, 0.20)},
)
