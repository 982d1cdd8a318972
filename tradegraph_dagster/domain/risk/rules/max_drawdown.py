"""Far below the highest equity only sales are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.risk.lines import Lines, below, reduce_only
from tradegraph_dagster.domain.risk.schema import RiskContext, RiskRule


def stop_buys_in_drawdown(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Deny buys when equity stands the limit or more below its peak, or that is not known."""
    frac: Decimal = limits["max_drawdown_frac"]
    fall = context.peak_equity - context.equity
    if below(fall, frac * context.peak_equity):
        return lines
    reason = f"max_drawdown: equity is {frac:%} or more below its peak, sales only"
    return tuple(reduce_only(line, reason) for line in lines)


RULE = RiskRule(
    name="max_drawdown",
    doc="While equity is `max_drawdown_frac` or more below its highest close, only sales.",
    defaults={"max_drawdown_frac": 0.10},
    apply=stop_buys_in_drawdown,
    hard_caps={"max_drawdown_frac": (0.0, 0.50)},
)
