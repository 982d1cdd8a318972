"""All positions together are worth at most a share of equity."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.risk.lines import Lines, buy_notional, scale_buys
from tradegraph_dagster.domain.risk.schema import RiskContext, RiskRule, RuleScope


def cap_gross(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Cut all buys in proportion until positions fit; nothing that is held is sold for it."""
    frac: Decimal = limits["max_gross_frac"]
    gross = sum((line.approved_shares * line.price for line in lines), ZERO)
    allowed = frac * context.equity - (gross - buy_notional(lines))
    return scale_buys(lines, allowed, f"max_gross: positions are worth at most {frac:%} of equity")


RULE = RiskRule(
    name="max_gross",
    doc="Positions may be worth `max_gross_frac` of equity; all buys are cut in proportion.",
    defaults={"max_gross_frac": 1.0},
    apply=cap_gross,
    hard_caps={"max_gross_frac": (0.0, 1.0)},
    scope=RuleScope.BOOK,
)
