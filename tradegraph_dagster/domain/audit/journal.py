"""Checkpoints outside the ledger: what finds a cut tail, and a rewrite by a holder of the key.

One journal holds the heads of one chain, each line signed and tied to the line before. A line is
written with the first entry, every 1000 entries and at the end of a run. It is evidence only as far
as the writer of the chain cannot change the place. The first entry remembers that there is a
journal: one that is gone, or whose place is not mounted, is damage and never begun anew in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.audit.chain import find_damage, utc_stamp
from tradegraph_dagster.domain.audit.keys import Keyring, key_id, sign
from tradegraph_dagster.domain.audit.ports import AuditLog, CheckpointJournal
from tradegraph_dagster.domain.audit.schema import (
    UNREADABLE_LINE,
    AuditEntry,
    ChainDamage,
    JournalLine,
)
from tradegraph_dagster.domain.core.errors import InvariantBroken

ENTRIES_A_LINE = 1000
FIRST_PREV = "0" * 64
_DOMAIN = b"tg-journal-v1\0"


def publish_head(
    audit: AuditLog,
    journal: CheckpointJournal,
    *,
    keys: Keyring,
    at: datetime,
    begin: bool = False,
) -> JournalLine | None:
    """Verify what came since the newest line, and write its checkpoints down; None for no chain.

    Running again while nothing was appended writes nothing.

    Args:
        audit: The chain.
        journal: Its checkpoints outside the ledger.
        keys: The signing key, and those before it.
        at: Now.
        begin: Whether a person says that a journal without lines is a new one, not a lost one.

    Returns:
        The newest line.

    Raises:
        InvariantBroken: The journal or the chain is damaged; nothing was written.
        StoreUnavailable: The place cannot be written.
    """
    genesis = next(audit.entries(), None)
    if genesis is None:
        return _newest_or_none(journal.lines())

    def make(lines: Sequence[JournalLine]) -> Sequence[JournalLine]:
        made = _lines_since(lines, audit, genesis, keys=keys, stamp=utc_stamp(at))
        if not lines and not begin:
            _require_no_loss(genesis, made)
        return made

    journal.extend(make)
    return _newest_or_none(journal.lines())


def line_for(
    entry: AuditEntry,
    lines: Sequence[JournalLine],
    *,
    genesis: AuditEntry,
    key: bytes,
    at: datetime,
) -> Sequence[JournalLine]:
    """The line of a new entry; none where a line as new is there, or where lines were lost."""
    newest = _newest_or_none(lines)
    if newest is None:
        is_lost = entry.seq > 0 and least_written(genesis, entry.seq) > 0
    else:
        is_lost = newest == UNREADABLE_LINE
    if is_lost or (newest is not None and newest.entries > entry.seq):
        return ()
    prev = newest.signature if newest else FIRST_PREV
    return (_signed(entry, log_id=genesis.hash, stamp=utc_stamp(at), prev=prev, key=key),)


def journal_damage(lines: Iterable[JournalLine], keys: Keyring) -> ChainDamage | None:
    """Name the first line that is forged, or before which lines are lost; None if it is whole."""
    prev, count, signed_with = FIRST_PREV, 0, ""
    for line in lines:
        if line == UNREADABLE_LINE:
            return ChainDamage(count, "journal", "a line that can be read", "other text")
        seq = max(line.entries - 1, 0)
        if line.prev != prev or line.entries <= count:
            after = f"a line that follows the one of {count} entries"
            return ChainDamage(seq, "journal", after, f"one that follows {line.prev}")
        named = bool(line.key_id) and keys.knows(line.key_id)
        if not named or not keys.verifies(_digest(line), line.signature, name=line.key_id):
            return ChainDamage(seq, "checkpoint", "a signature of a known key", line.signature)
        if keys.age(line.key_id) > keys.age(signed_with):
            return ChainDamage(seq, "key", f"no key older than {signed_with}", line.key_id)
        prev, count, signed_with = line.signature, line.entries, line.key_id
    return None


def journal_lag(lines: Sequence[JournalLine], least: int) -> ChainDamage | None:
    """Whether the newest line is older than what was seen elsewhere, or all lines are lost."""
    count = lines[-1].entries if lines else 0
    if count >= least:
        return None
    found = f"{count} in the newest" if lines else "no line at all"
    return ChainDamage(count, "journal", f"a line of {least} entries", found)


def least_written(genesis: AuditEntry | None, entries: int) -> int:
    """How many entries the journal must cover, by what the chain itself says.

    Args:
        genesis: The first entry, verified.
        entries: Entries of the chain.
    """
    if genesis is None:
        return 0
    # A chain from before first entries remembered it got its first line at the latest then.
    return int(genesis.details.get("journal") is True or entries >= ENTRIES_A_LINE)


def _require_no_loss(genesis: AuditEntry, made: Sequence[JournalLine]) -> None:
    """Refuse to begin a journal where one must have been."""
    damage = journal_lag((), least_written(genesis, made[-1].entries if made else 0))
    if damage is not None:
        raise InvariantBroken(
            f"audit {damage}; no checkpoint was written: mount or restore the checkpoint folder, "
            "or follow docs/runbooks/audit-damage.md to begin a new one",
            table="audit_entries",
        )


def _lines_since(
    lines: Sequence[JournalLine],
    audit: AuditLog,
    genesis: AuditEntry,
    *,
    keys: Keyring,
    stamp: str,
) -> Sequence[JournalLine]:
    damage = journal_damage(lines, keys)
    newest = _newest_or_none(lines)
    made: list[JournalLine] = []
    head: AuditEntry | None = None
    prev = newest.signature if newest else FIRST_PREV

    def line(entry: AuditEntry) -> None:
        before = made[-1].signature if made else prev
        made.append(_signed(entry, log_id=genesis.hash, stamp=stamp, prev=before, key=keys.signing))

    def watch() -> Iterable[AuditEntry]:
        nonlocal head
        for entry in audit.entries(newest.entries if newest else 0):
            yield entry
            # Only what find_damage asks for more than is good.
            head = entry
            if (entry.seq + 1) % ENTRIES_A_LINE == 0:
                line(entry)

    if damage is None:
        damage = _last_seen_damage(audit, newest) or find_damage(
            watch(), keys, after=newest, signed_with=newest.key_id if newest else ""
        )
    if damage is not None:
        raise InvariantBroken(
            f"audit {damage}; no checkpoint was written, verify the chain before trading goes on",
            table="audit_entries",
        )
    if head is not None and (not made or made[-1].entries <= head.seq):
        line(head)
    return made


def _last_seen_damage(audit: AuditLog, newest: JournalLine | None) -> ChainDamage | None:
    """Whether the entry of the newest line is still there."""
    if newest is None:
        return None
    entry = next(audit.entries(newest.entries - 1), None)
    if entry is None:
        expected = f"{newest.entries} entries"
        return ChainDamage(newest.entries - 1, "truncated", expected, "fewer")
    if entry.hash != newest.head_hash:
        return ChainDamage(entry.seq, "rewritten", newest.head_hash, entry.hash)
    return None


def _signed(entry: AuditEntry, *, log_id: str, stamp: str, prev: str, key: bytes) -> JournalLine:
    unsigned = JournalLine(log_id, entry.seq + 1, entry.hash, stamp, prev, key_id(key), "")
    return replace(unsigned, signature=sign(_digest(unsigned), key))


def _digest(line: JournalLine) -> str:
    body = asdict(line)
    del body["signature"]
    return hashlib.sha256(_DOMAIN + canonical_json(body).encode()).hexdigest()


def _newest_or_none(lines: Sequence[JournalLine]) -> JournalLine | None:
    return lines[-1] if lines else None
