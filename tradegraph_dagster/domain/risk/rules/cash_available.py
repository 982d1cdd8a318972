"""Buys and their fees are paid from cash and, if so configured, from the session's sales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.risk.lines import Lines, scale_buys, sell_notional
from tradegraph_dagster.domain.risk.schema import RiskContext, RiskRule, RuleScope


def fit_cash(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Cut all buys in proportion until they fit; which name comes first does not matter."""
    fee = context.fee_frac
    proceeds = sell_notional(lines) * (1 - fee) if limits["count_sale_proceeds"] else ZERO
    return scale_buys(
        lines, (context.cash + proceeds) / (1 + fee), "cash_available: more than cash can pay"
    )


RULE = RiskRule(
    name="cash_available",
    doc=(
        "Buys with fees fit into cash and, where `count_sale_proceeds`, the approved sales after "
        "fees; all buys are cut in proportion."
    ),
    defaults={"count_sale_proceeds": True},
    apply=fit_cash,
    scope=RuleScope.BOOK,
)
