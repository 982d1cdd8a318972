"""Buys and sales of a session together are worth at most a share of equity."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.risk.lines import Lines, scale_buys, scale_sells, sell_notional
from tradegraph_dagster.domain.risk.schema import RiskContext, RiskRule, RuleScope


def cap_turnover(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Cut buys in proportion, and sales only where they alone are too many."""
    frac: Decimal = limits["max_turnover_frac"]
    most = frac * context.equity
    reason = f"max_turnover: buys and sales are worth at most {frac:%} of equity"
    sold = scale_sells(lines, most, reason)
    return scale_buys(sold, most - sell_notional(sold), reason)


RULE = RiskRule(
    name="max_turnover",
    doc="A session trades at most `max_turnover_frac` of equity; buys give way before sales.",
    defaults={"max_turnover_frac": 0.5},
    apply=cap_turnover,
    hard_caps={"max_turnover_frac": (0.0, 2.0)},
    scope=RuleScope.BOOK,
)
