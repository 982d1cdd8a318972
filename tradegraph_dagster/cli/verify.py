"""Verification of a market's audit chain."""

from __future__ import annotations

from typing import Any

from tradegraph_dagster.domain.audit.schema import AUDIT_CHECKPOINT
from tradegraph_dagster.domain.audit.step import verify_chain
from tradegraph_dagster.resources.desk import MarketDesk


def chain_row(desk: MarketDesk) -> dict[str, Any]:
    """One row of `tradegraph audit verify`: streams the chain, names the first bad entry."""
    head = desk.audit.head()
    damage = verify_chain(desk.workspace, audit=desk.audit, key=desk.deployment.audit_key())
    return {
        "market": desk.name,
        "entries": head.seq + 1 if head else 0,
        "checkpoints": len(desk.workspace.store.partitions(AUDIT_CHECKPOINT.name)),
        "intact": damage is None,
        "damage": f"entry {damage.seq}: {damage.kind}" if damage else "none",
    }
