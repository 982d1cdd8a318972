"""An order of a size nobody meant is not sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.risk.lines import Lines, hold, within
from tradegraph_dagster.domain.risk.schema import RiskContext, RiskRule


def deny_large_orders(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Deny each order above the limit whole: its size is a sign of an error, not a wish to trim."""
    most: Decimal = limits["max_order_notional"]
    reason = f"max_order_notional: an order is worth at most {most}"
    return tuple(
        line if within(abs(line.traded_shares) * line.price, most) else hold(line, reason)
        for line in lines
    )


RULE = RiskRule(
    name="max_order_notional",
    doc="An order worth more than `max_order_notional` (quote currency) is denied, sales too.",
    defaults={"max_order_notional": 100_000},
    apply=deny_large_orders,
    hard_caps={"max_order_notional": (0, 10_000_000)},
)
