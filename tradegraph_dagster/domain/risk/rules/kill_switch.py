"""Nothing is traded while the kill switch is engaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.lines import Lines, hold
from tradegraph_dagster.domain.risk.schema import RiskContext, RiskRule

REASON = "the kill switch is engaged or cannot be read"


def deny_all(lines: Lines, context: RiskContext, limits: Mapping[str, Any]) -> Lines:
    """Keep what is held, on every line."""
    if not context.kill_switch_engaged:
        return lines
    return tuple(hold(line, REASON) for line in lines)


RULE = RiskRule(
    name="kill_switch",
    doc="While the kill switch is engaged, or cannot be read, nothing is bought or sold.",
    defaults={},
    apply=deny_all,
)
