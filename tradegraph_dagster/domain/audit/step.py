"""Close a session's audit: fingerprint its tables, extend the chain, keep the head in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from tradegraph_dagster.domain.audit.chain import (
    checkpoint_signature,
    entry_hash,
    find_damage,
    sign,
)
from tradegraph_dagster.domain.audit.ports import AuditLog
from tradegraph_dagster.domain.audit.schema import (
    AUDIT_CHECKPOINT,
    AuditEntry,
    ChainDamage,
    Checkpoint,
)
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.core.frame_store import FrameStore, Written
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.markets.workspace import Workspace

CHECKPOINT_EVENT = "checkpoint"


def checkpoint_session(
    ws: Workspace, *, session: date, audit: AuditLog, key: bytes, tables: Sequence[str]
) -> Written:
    """Tie what the lake holds of a session to the audit chain.

    Running again while the tables are unchanged appends nothing and leaves the same bytes.

    Args:
        ws: The market's lake.
        session: A closed session.
        audit: The market's chain.
        key: The signing key.
        tables: Names of the tables to cover; those without the partition are left out.

    Raises:
        InvariantBroken: The head of the chain does not verify with the key.
    """
    parts = session_tables(ws.store, tables, session)
    fingerprint = data_fingerprint(parts)
    checkpoint = _stored_checkpoint(ws.store, session, key)
    if checkpoint is None or checkpoint.session_fingerprint != fingerprint:
        entry = _checkpoint_entry(audit, session, fingerprint, parts)
        _check_head(entry, key)
        checkpoint = _to_checkpoint(entry, session, fingerprint, key)
    frame = checkpoint_to_frame(checkpoint)
    written = ws.store.write(AUDIT_CHECKPOINT, session, frame)
    facts = {"entries": checkpoint.entries, "tables": len(parts)}
    return Written(session, frame.height, written, facts)


def verify_chain(ws: Workspace, *, audit: AuditLog, key: bytes) -> ChainDamage | None:
    """Check the whole chain against every checkpoint in the lake; None if it is whole.

    Raises:
        CorruptPartition: A checkpoint cannot be read.
    """
    days = sorted(ws.store.partitions(AUDIT_CHECKPOINT.name))
    checkpoints = frame_to_checkpoints(ws.store.read(AUDIT_CHECKPOINT, days))
    return find_damage(audit.entries(), key, checkpoints)


def session_tables(store: FrameStore, tables: Sequence[str], session: date) -> list[list[str]]:
    """Table and fingerprint of every partition of the session that exists, by table."""
    return [
        [table, store.fingerprint(table, session)]
        for table in sorted(set(tables) - {AUDIT_CHECKPOINT.name})
        if session in store.partitions(table)
    ]


def checkpoint_to_frame(checkpoint: Checkpoint) -> pl.DataFrame:
    """One row of AUDIT_CHECKPOINT."""
    row = {name: getattr(checkpoint, name) for name in AUDIT_CHECKPOINT.columns}
    return conform_frame(pl.DataFrame([row]), AUDIT_CHECKPOINT)


def frame_to_checkpoints(frame: pl.DataFrame) -> tuple[Checkpoint, ...]:
    """The rows of AUDIT_CHECKPOINT, for `chain.find_damage`."""
    return tuple(Checkpoint(**row) for row in frame.iter_rows(named=True))


def _stored_checkpoint(store: FrameStore, session: date, key: bytes) -> Checkpoint | None:
    if session not in store.partitions(AUDIT_CHECKPOINT.name):
        return None
    stored = frame_to_checkpoints(store.read(AUDIT_CHECKPOINT, [session]))[0]
    if stored.signature != checkpoint_signature(stored, key):
        raise InvariantBroken(
            "the stored checkpoint was not signed with this key; verify the chain, then find out "
            "whether the key or the file was changed",
            table=AUDIT_CHECKPOINT.name,
            session=session,
        )
    return stored


def _checkpoint_entry(
    audit: AuditLog, session: date, fingerprint: str, parts: list[list[str]]
) -> AuditEntry:
    details = {
        "session": session.isoformat(),
        "session_fingerprint": fingerprint,
        "tables": parts,
    }
    head = audit.head()
    # A run that stopped between appending and writing has left exactly this entry behind.
    if head is not None and head.event == CHECKPOINT_EVENT and dict(head.details) == details:
        return head
    return audit.append(CHECKPOINT_EVENT, user="system", details=details)


def _check_head(entry: AuditEntry, key: bytes) -> None:
    if entry.hash != entry_hash(entry) or entry.signature != sign(entry.hash, key):
        raise InvariantBroken(
            f"entry {entry.seq} of the audit chain does not verify with the key; "
            "verify the whole chain before trading goes on",
            table=AUDIT_CHECKPOINT.name,
        )


def _to_checkpoint(entry: AuditEntry, session: date, fingerprint: str, key: bytes) -> Checkpoint:
    unsigned = Checkpoint(session, entry.seq + 1, entry.hash, fingerprint, signature="")
    return replace(unsigned, signature=checkpoint_signature(unsigned, key))
