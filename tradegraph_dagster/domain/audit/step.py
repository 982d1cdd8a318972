"""Close a session's audit: fingerprint its tables, extend the chain, keep the head in the lake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from tradegraph_dagster.domain.audit.chain import (
    checkpoint_digest,
    entry_damage,
    find_damage,
    first_forged,
)
from tradegraph_dagster.domain.audit.events import CHECKPOINT
from tradegraph_dagster.domain.audit.journal import journal_damage, journal_lag, least_written
from tradegraph_dagster.domain.audit.keys import Keyring, sign
from tradegraph_dagster.domain.audit.ports import AuditLog, CheckpointJournal
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
from tradegraph_dagster.domain.core.ids import SYSTEM
from tradegraph_dagster.domain.markets.workspace import Workspace


def checkpoint_session(
    ws: Workspace, *, session: date, audit: AuditLog, keys: Keyring, tables: Sequence[str]
) -> Written:
    """Tie what the lake holds of a session to the audit chain.

    Running again while the tables are unchanged appends nothing and leaves the same bytes.

    Args:
        ws: The market's lake.
        session: A closed session.
        audit: The market's chain.
        keys: The signing key, and those before it.
        tables: Names of the tables to cover; those without the partition are left out.

    Raises:
        InvariantBroken: The head of the chain does not verify with the keys.
    """
    parts = session_tables(ws.store, tables, session)
    fingerprint = data_fingerprint(parts)
    checkpoint = _stored_checkpoint(ws.store, session, keys)
    if checkpoint is None or checkpoint.session_fingerprint != fingerprint:
        entry = _checkpoint_entry(audit, session, fingerprint, parts)
        _check_head(entry, keys)
        checkpoint = _to_checkpoint(entry, session, fingerprint, keys.signing)
    frame = checkpoint_to_frame(checkpoint)
    written = ws.store.write(AUDIT_CHECKPOINT, session, frame)
    facts = {"entries": checkpoint.entries, "tables": len(parts)}
    return Written(session, frame.height, written, facts)


def verify_chain(
    audit: AuditLog,
    *,
    keys: Keyring,
    journal: CheckpointJournal,
    store: FrameStore | None,
    progress: Callable[[int], None] = lambda _count: None,
) -> ChainDamage | None:
    """Check the whole chain against every checkpoint, in the lake and outside; None if whole.

    Args:
        audit: The chain.
        keys: Those that may have signed.
        journal: Its checkpoints outside the ledger.
        store: The lake that holds its other checkpoints; None for a chain that covers no tables.
        progress: Told the number of good entries now and then.

    Raises:
        CorruptPartition: A checkpoint cannot be read.
        StoreUnavailable: The chain or the journal cannot be read.
    """
    stored = _all_checkpoints(store) if store is not None else ()
    genesis = next(audit.entries(), None)
    lines = journal.lines()
    least = max((checkpoint.entries for checkpoint in stored), default=0)
    count = 0

    def note(done: int) -> None:
        nonlocal count
        count = done
        progress(done)

    return (
        first_forged(stored, keys)
        or journal_damage(lines, keys)
        or find_damage(audit.entries(), keys, [*stored, *lines], progress=note)
        # Last: a run that stopped before its checkpoint was published looks like this too.
        or journal_lag(lines, max(least, least_written(genesis, count)))
    )


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
    """The rows of AUDIT_CHECKPOINT, for `verify_chain`."""
    return tuple(Checkpoint(**row) for row in frame.iter_rows(named=True))


def _all_checkpoints(store: FrameStore) -> tuple[Checkpoint, ...]:
    days = sorted(store.partitions(AUDIT_CHECKPOINT.name))
    return frame_to_checkpoints(store.read(AUDIT_CHECKPOINT, days))


def _stored_checkpoint(store: FrameStore, session: date, keys: Keyring) -> Checkpoint | None:
    if session not in store.partitions(AUDIT_CHECKPOINT.name):
        return None
    stored = frame_to_checkpoints(store.read(AUDIT_CHECKPOINT, [session]))[0]
    if first_forged([stored], keys):
        raise InvariantBroken(
            "the stored checkpoint was not signed with a known key; verify the chain, then find "
            "out whether a key or the file was changed",
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
    if head is not None and head.event == CHECKPOINT and dict(head.details) == details:
        return head
    return audit.append(CHECKPOINT, user=SYSTEM, details=details)


def _check_head(entry: AuditEntry, keys: Keyring) -> None:
    if entry_damage(entry, entry.seq, entry.prev_hash, keys):
        raise InvariantBroken(
            f"entry {entry.seq} of the audit chain does not verify with the known keys; "
            "verify the whole chain before trading goes on",
            table=AUDIT_CHECKPOINT.name,
        )


def _to_checkpoint(entry: AuditEntry, session: date, fingerprint: str, key: bytes) -> Checkpoint:
    unsigned = Checkpoint(session, entry.seq + 1, entry.hash, fingerprint, signature="")
    return replace(unsigned, signature=sign(checkpoint_digest(unsigned), key))
