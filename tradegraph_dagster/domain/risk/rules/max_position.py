"""No buy may take one name above a share of equity."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.risk.lines import Lines, trim, within
from tradegraph_dagster.domain.risk.schema import Line, RiskContext, RiskRule


def cap_positions(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Cut each buy to what the name may be worth; a holding above the cap is not sold for it."""
    frac: Decimal = limits["max_position_frac"]
    most = frac * context.equity if context.equity.is_finite() else ZERO
    return tuple(_cap(line, most, f"max_position: at most {frac:%} of equity") for line in lines)


def _cap(line: Line, most: Decimal, reason: str) -> Line:
    if line.traded_shares <= 0 or within(line.approved_shares * line.price, most):
        return line
    is_priced = line.price.is_finite() and line.price > 0 and most > 0
    return trim(line, int(most // line.price) if is_priced else 0, reason)


RULE = RiskRule(
    name="max_position",
    doc="A buy may take one name to at most `max_position_frac` of equity; nothing is sold for it.",
    defaults={"max_position_frac": 0.05},
    apply=cap_positions,
    hard_caps={"max_position_frac": (0.0, 0.25)},
)
