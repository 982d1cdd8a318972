"""After a bad session only sales are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.risk.lines import Lines, below, reduce_only
from tradegraph_dagster.domain.risk.schema import RiskContext, RiskRule


def stop_buys_after_loss(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Deny buys when the last session lost the limit or more, or its loss is not known."""
    frac: Decimal = limits["max_daily_loss_frac"]
    loss = context.previous_equity - context.equity
    if below(loss, frac * context.previous_equity):
        return lines
    reason = f"daily_loss: the last session lost {frac:%} of equity or more, sales only"
    return tuple(reduce_only(line, reason) for line in lines)


RULE = RiskRule(
    name="daily_loss",
    doc="After a session that lost `max_daily_loss_frac` of the equity before it, only sales.",
    defaults={"max_daily_loss_frac": 0.02},
    apply=stop_buys_after_loss,
    hard_caps={"max_daily_loss_frac": (0.0, 0.20)},
)
