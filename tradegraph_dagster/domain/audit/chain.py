"""The hash chain: each entry holds the previous one's hash and is signed.

An entry's hash is SHA-256 over `tg-audit-v1`, a zero byte and the canonical JSON of the entry
without its hash; its signature is HMAC-SHA256 over the hash in hexadecimal. The chain begins at
`seq` 0 with a previous hash of 64 zeros.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tradegraph_dagster.domain.audit.canonical import canonical_json, redact
from tradegraph_dagster.domain.audit.schema import AuditEntry, ChainDamage, Checkpoint
from tradegraph_dagster.domain.core.errors import InvariantBroken

GENESIS_PREV_HASH = "0" * 64
_ENTRY_DOMAIN = b"tg-audit-v1\0"
_CHECKPOINT_DOMAIN = b"tg-checkpoint-v1\0"


def next_entry(
    head: AuditEntry | None,
    *,
    event: str,
    user: str,
    details: Mapping[str, Any],
    at: datetime,
    key: bytes,
) -> AuditEntry:
    """The entry that follows `head`, or the first one; secrets are redacted before hashing.

    Raises:
        InvariantBroken: `details` cannot be written canonically, or `at` has no time zone.
    """
    seq = 0 if head is None else head.seq + 1
    prev_hash = GENESIS_PREV_HASH if head is None else head.hash
    timestamp = utc_stamp(at)
    clean = redact(dict(details))
    digest = _entry_hash(seq, timestamp, event, user, clean, prev_hash)
    return AuditEntry(seq, timestamp, event, user, clean, prev_hash, digest, sign(digest, key))


def utc_stamp(at: datetime) -> str:
    """ISO 8601 in UTC with microseconds, such as 2024-01-02T07:00:00.000000Z."""
    if at.tzinfo is None:
        raise InvariantBroken(f"expected an instant with its time zone, found {at.isoformat()}")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sign(digest: str, key: bytes) -> str:
    """HMAC-SHA256 over a hash in hexadecimal."""
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()


def entry_hash(entry: AuditEntry) -> str:
    """What the entry's hash must be."""
    return _entry_hash(
        entry.seq, entry.timestamp, entry.event, entry.user, entry.details, entry.prev_hash
    )


def checkpoint_signature(checkpoint: Checkpoint, key: bytes) -> str:
    """What the checkpoint's signature must be."""
    body = {
        "session": checkpoint.session.isoformat(),
        "entries": checkpoint.entries,
        "head_hash": checkpoint.head_hash,
        "session_fingerprint": checkpoint.session_fingerprint,
    }
    digest = hashlib.sha256(_CHECKPOINT_DOMAIN + canonical_json(body).encode()).hexdigest()
    return sign(digest, key)


def find_damage(
    entries: Iterable[AuditEntry], key: bytes, checkpoints: Iterable[Checkpoint] = ()
) -> ChainDamage | None:
    """Read a chain once, in order, and name its first bad entry; None if it is whole.

    Entries are streamed: memory does not grow with the chain. Without a checkpoint a cut tail
    cannot be seen, nor can a rewrite by the holder of the key.

    Args:
        entries: As stored, in stored order.
        key: The signing key.
        checkpoints: Kept where the writer of the chain cannot change them.
    """
    waiting = sorted(checkpoints, key=lambda checkpoint: checkpoint.entries, reverse=True)
    forged = _first_forged(waiting, key)
    if forged is not None:
        return forged
    count, prev_hash = 0, GENESIS_PREV_HASH
    for entry in entries:
        damage = _entry_damage(entry, count, prev_hash, key)
        if damage is not None:
            return damage
        count, prev_hash = count + 1, entry.hash
        while waiting and waiting[-1].entries <= count:
            checkpoint = waiting.pop()
            if checkpoint.entries == count and checkpoint.head_hash != prev_hash:
                return ChainDamage(entry.seq, "rewritten", checkpoint.head_hash, prev_hash)
    if waiting:
        return ChainDamage(count, "truncated", f"{waiting[0].entries} entries", f"{count} entries")
    return None


def _entry_damage(entry: AuditEntry, seq: int, prev_hash: str, key: bytes) -> ChainDamage | None:
    if entry.seq != seq:
        return ChainDamage(seq, "sequence", str(seq), str(entry.seq))
    if entry.prev_hash != prev_hash:
        return ChainDamage(seq, "prev_hash", prev_hash, str(entry.prev_hash))
    try:
        digest = entry_hash(entry)
    except InvariantBroken as error:
        return ChainDamage(seq, "unreadable", "canonical details", error.message)
    if entry.hash != digest:
        return ChainDamage(seq, "hash", digest, str(entry.hash))
    signature = sign(digest, key)
    if not _same(signature, entry.signature):
        return ChainDamage(seq, "signature", "a signature made with the key", entry.signature)
    return None


def _first_forged(descending: list[Checkpoint], key: bytes) -> ChainDamage | None:
    for checkpoint in reversed(descending):
        if not _same(checkpoint_signature(checkpoint, key), checkpoint.signature):
            return ChainDamage(
                max(checkpoint.entries - 1, 0),
                "checkpoint",
                f"a signature made with the key for {checkpoint.session}",
                checkpoint.signature,
            )
    return None


def _same(expected: str, found: str) -> bool:
    return hmac.compare_digest(expected.encode(), found.encode("utf-8", "surrogatepass"))


def _entry_hash(
    seq: int,
    timestamp: str,
    event: str,
    user: str,
    details: Mapping[str, Any],
    prev_hash: str,
) -> str:
    body = {
        "seq": seq,
        "timestamp": timestamp,
        "event": event,
        "user": user,
        "details": details,
        "prev_hash": prev_hash,
    }
    return hashlib.sha256(_ENTRY_DOMAIN + canonical_json(body).encode()).hexdigest()
