"""What the audit chain says of one order, of its decision, and of the sessions behind it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.events import (
    CHECKPOINT,
    DECISION_RECORDED,
    EXECUTIONS_RECORDED,
    ORDER_SUBMITTING,
)
from tradegraph_dagster.domain.audit.keys import Keyring
from tradegraph_dagster.domain.audit.schema import AuditEntry, ChainDamage, SeenHead
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.fingerprint import data_fingerprint, text_fingerprint
from tradegraph_dagster.domain.risk.order_gate import GateResult
from tradegraph_dagster.domain.risk.schema import RiskDecision

_to_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def decision_fingerprint(decision: RiskDecision) -> str:
    """Hash of what a decision says, line by line; its equity stands beside it in the entry."""
    lines = [
        [
            line.symbol,
            line.held_shares,
            line.sellable_shares,
            line.approved_shares,
            str(line.price),
            list(line.reasons),
        ]
        for line in decision.lines
    ]
    return data_fingerprint([lines, dict(decision.targets), list(decision.rules_applied)])


def gates_to_json(results: Sequence[GateResult]) -> str:
    """Every gate's word on one order, with its inputs, as it is stored and hashed."""
    return _to_json(
        [[one.number, one.gate, one.outcome.value, one.reason, dict(one.inputs)] for one in results]
    )


def gates_fingerprint(results: Sequence[GateResult]) -> str:
    """Hash of every gate's word on one order, with its inputs."""
    return text_fingerprint(gates_to_json(results))


@dataclass
class Evidence:
    """Entries that concern one order.

    Attributes:
        damage: First bad entry of the whole chain; None if it is whole.
        decision: The entry of its decision.
        sendings: The entries of its sendings.
        order: Every entry that names it.
        sealed: (table, session) -> fingerprint by the newest checkpoint of the session.
    """

    damage: ChainDamage | None = None
    decision: AuditEntry | None = None
    sendings: list[AuditEntry] = field(default_factory=list)
    order: list[AuditEntry] = field(default_factory=list)
    sealed: dict[tuple[str, date], str] = field(default_factory=dict)

    def executed(self, execution_id: str) -> tuple[AuditEntry, Mapping[str, Any]] | None:
        """The entry of a fill, and what it says of it."""
        for entry in self.order:
            if entry.event == EXECUTIONS_RECORDED:
                for fill in read_details(entry).get("fills", ()):
                    if fill.get("execution_id") == execution_id:
                        return entry, fill
        return None


def gather_evidence(
    entries: Iterable[AuditEntry],
    keys: Keyring,
    *,
    checkpoints: Iterable[SeenHead] = (),
    client_order_id: str,
    decision_id: str,
    sessions: Collection[date],
) -> Evidence:
    """Read the chain once: verify it, and keep what concerns an order.

    Args:
        entries: The chain, streamed.
        keys: Those that may have signed.
        checkpoints: What others saw of the chain.
        client_order_id: The order.
        decision_id: Its decision.
        sessions: Whose tables are wanted.
    """
    found = Evidence()
    wanted = {session.isoformat(): session for session in sessions}
    order, decision = f'"{client_order_id}"', f'"{decision_id}"'

    def watch() -> Iterator[AuditEntry]:
        for entry in entries:
            if entry.event == CHECKPOINT:
                _keep_tables(found, entry, wanted)
            elif order in entry.details_json or decision in entry.details_json:
                _keep_entry(found, entry, order, decision)
            yield entry

    watched = watch()
    found.damage = find_damage(watched, keys, checkpoints)
    # What comes after the damage is looked at too: a trace says what it can.
    for _ in watched:
        pass
    return found


def _keep_tables(found: Evidence, entry: AuditEntry, wanted: Mapping[str, date]) -> None:
    details = read_details(entry)
    session = wanted.get(str(details.get("session")))
    if session is not None:
        for table, fingerprint in details.get("tables", ()):
            found.sealed[table, session] = fingerprint


def _keep_entry(found: Evidence, entry: AuditEntry, order: str, decision: str) -> None:
    if entry.event == DECISION_RECORDED and decision in entry.details_json:
        found.decision = found.decision or entry
    if order in entry.details_json:
        found.order.append(entry)
        if entry.event == ORDER_SUBMITTING:
            found.sendings.append(entry)


def read_details(entry: AuditEntry) -> Mapping[str, Any]:
    """What an entry says; nothing where it is damaged, which the chain's own verdict names."""
    try:
        return entry.details
    except InvariantBroken:
        return {}
