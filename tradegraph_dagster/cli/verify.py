"""Verification of a market's audit chain."""

from __future__ import annotations

from typing import Any

from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.schema import AUDIT_CHECKPOINT
from tradegraph_dagster.resources.desk import MarketDesk


def verify_chain(desk: MarketDesk) -> dict[str, Any]:
    """One row of `tradegraph audit verify`: streams the chain, names the first bad entry."""
    store = desk.workspace.store
    sealed = sorted(store.partitions(AUDIT_CHECKPOINT.name))
    checkpoints = [
        (row["entries"], row["head_hash"])
        for row in store.read(AUDIT_CHECKPOINT, sealed).iter_rows(named=True)
    ]
    head = desk.audit.head()
    damage = find_damage(desk.audit.entries(), desk.deployment.audit_key(), checkpoints)
    return {
        "market": desk.name,
        "entries": head.seq + 1 if head else 0,
        "checkpoints": len(checkpoints),
        "intact": damage is None,
        "damage": f"entry {damage.seq}: {damage.kind}" if damage else "none",
    }
