"""The hash chain: each entry holds the previous one's hash and is signed.

An entry's hash is SHA-256 over `tg-audit-v2`, a zero byte and the canonical JSON of the entry's
columns without hash and signature, and `v`; its signature is HMAC-SHA256 over the hash in
hexadecimal. The chain begins at `seq` 0 with a previous hash of 64 zeros. Entries without a key id
are of `tg-audit-v1`, whose JSON has neither key id nor `v`.

The JSON is put together from the stored text of the details, never from parsed ones: what verifies
is byte for byte what was signed. No text can be moved from one column to another, because every
column but the details is quoted, and comes after them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.audit.keys import Keyring, key_id, sign
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.audit.schema import (
    AuditEntry,
    ChainDamage,
    Checkpoint,
    SeenHead,
)
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.ids import SYSTEM

FORMAT = "tg-audit-v2"
GENESIS_PREV_HASH = "0" * 64
ENTRIES_A_STEP = 10_000
_V1_DOMAIN = b"tg-audit-v1\0"
_V2_DOMAIN = FORMAT.encode() + b"\0"
_CHECKPOINT_DOMAIN = b"tg-checkpoint-v1\0"

_quote = json.JSONEncoder(ensure_ascii=False).encode


def next_entry(  # noqa: PLR0913 - one argument a column
    head: AuditEntry | None,
    *,
    event: str,
    user: str,
    details: Mapping[str, Any],
    at: datetime,
    key: bytes,
    redactor: Redactor | None = None,
) -> AuditEntry:
    """The entry that follows `head`, or the first one; secrets are redacted before hashing.

    Raises:
        InvariantBroken: `details` cannot be written canonically, a text is not Unicode, or `at`
            has no time zone.
    """
    clean = (redactor or Redactor())(dict(details))
    unsigned = AuditEntry(
        seq=0 if head is None else head.seq + 1,
        timestamp=utc_stamp(at),
        event=event,
        user=user,
        details_json=canonical_json(clean),
        prev_hash=GENESIS_PREV_HASH if head is None else head.hash,
        hash="",
        signature="",
        key_id=key_id(key),
    )
    try:
        digest = entry_hash(unsigned)
    except UnicodeEncodeError as error:
        raise InvariantBroken(f"audit text is not Unicode: {error}; clean it first") from error
    return replace(unsigned, hash=digest, signature=sign(digest, key))


def genesis_entry(
    market: str, *, at: datetime, key: bytes, has_journal: bool = False
) -> AuditEntry:
    """The first entry of a market's chain; it remembers whether a journal was begun with it."""
    details: dict[str, Any] = {"market": market, "format": FORMAT}
    return next_entry(
        None,
        event="genesis",
        user=SYSTEM,
        details={**details, "journal": True} if has_journal else details,
        at=at,
        key=key,
    )


def utc_stamp(at: datetime) -> str:
    """ISO 8601 in UTC with microseconds, such as 2024-01-02T07:00:00.000000Z."""
    if at.tzinfo is None:
        raise InvariantBroken(
            f"expected an instant with its time zone, found {at.isoformat()}; mend the clock"
        )
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def entry_hash(entry: AuditEntry) -> str:
    """What the entry's hash must be.

    Raises:
        UnicodeEncodeError: A column is no Unicode text.
    """
    domain, name, version = _V1_DOMAIN, "", ""
    if entry.key_id:
        domain, name, version = _V2_DOMAIN, f'"key_id":{_quote(entry.key_id)},', ',"v":2'
    body = (
        f'{{"details":{entry.details_json},"event":{_quote(entry.event)},{name}'
        f'"prev_hash":{_quote(entry.prev_hash)},"seq":{entry.seq},'
        f'"timestamp":{_quote(entry.timestamp)},"user":{_quote(entry.user)}{version}}}'
    )
    return hashlib.sha256(domain + body.encode()).hexdigest()


def checkpoint_digest(checkpoint: Checkpoint) -> str:
    """The hash that a checkpoint's signature is over."""
    body = {
        "session": checkpoint.session.isoformat(),
        "entries": checkpoint.entries,
        "head_hash": checkpoint.head_hash,
        "session_fingerprint": checkpoint.session_fingerprint,
    }
    return hashlib.sha256(_CHECKPOINT_DOMAIN + canonical_json(body).encode()).hexdigest()


def find_damage(
    entries: Iterable[AuditEntry],
    keys: Keyring,
    checkpoints: Iterable[SeenHead] = (),
    *,
    after: SeenHead | None = None,
    signed_with: str = "",
    progress: Callable[[int], None] = lambda _count: None,
) -> ChainDamage | None:
    """Read a chain once, in order, and name its first bad entry; None if it is whole.

    Entries are streamed: memory does not grow with the chain. Without a checkpoint a cut tail
    cannot be seen, nor can a rewrite by the holder of the key. Once a newer key has signed, an
    older one is damage: whoever still holds a retired key can add nothing.

    Args:
        entries: As stored, in stored order.
        keys: Those that may have signed.
        checkpoints: Kept where the writer of the chain cannot change them; their own signatures
            are not looked at here.
        after: What was verified before; `entries` go on from there.
        signed_with: Id of the key that signed then.
        progress: Told the number of good entries now and then.
    """
    waiting = sorted(checkpoints, key=lambda seen: seen.entries, reverse=True)
    count, prev_hash = (after.entries, after.head_hash) if after else (0, GENESIS_PREV_HASH)
    for entry in entries:
        damage = entry_damage(entry, count, prev_hash, keys)
        if damage is None and keys.age(entry.key_id) > keys.age(signed_with):
            damage = ChainDamage(count, "key", f"no key older than {signed_with}", entry.key_id)
        signed_with = entry.key_id
        if damage is not None:
            return damage
        count, prev_hash = count + 1, entry.hash
        while waiting and waiting[-1].entries <= count:
            seen = waiting.pop()
            if seen.entries == count and seen.head_hash != prev_hash:
                return ChainDamage(entry.seq, "rewritten", seen.head_hash, prev_hash)
        if count % ENTRIES_A_STEP == 0:
            progress(count)
    progress(count)
    if waiting and waiting[0].entries > count:
        return ChainDamage(count, "truncated", f"{waiting[0].entries} entries", f"{count} entries")
    return None


def entry_damage(entry: AuditEntry, seq: int, prev_hash: str, keys: Keyring) -> ChainDamage | None:
    """What is wrong with an entry that should be number `seq` and follow `prev_hash`."""
    # A stored 7 and a stored "7" are written alike.
    if entry.seq != seq or type(entry.seq) is not int:
        return ChainDamage(seq, "sequence", str(seq), str(entry.seq))
    if entry.prev_hash != prev_hash:
        return ChainDamage(seq, "prev_hash", prev_hash, str(entry.prev_hash))
    try:
        digest = entry_hash(entry)
    except UnicodeEncodeError as error:
        return ChainDamage(seq, "unreadable", "Unicode text", str(error))
    if entry.hash != digest:
        return ChainDamage(seq, "hash", digest, str(entry.hash))
    if not keys.knows(entry.key_id):
        return ChainDamage(seq, "key", "a key that is known", entry.key_id)
    if not keys.verifies(digest, entry.signature, name=entry.key_id):
        return ChainDamage(seq, "signature", "a signature made with the key", entry.signature)
    return None


def first_forged(checkpoints: Iterable[Checkpoint], keys: Keyring) -> ChainDamage | None:
    """The shortest checkpoint that none of the keys signed."""
    for checkpoint in sorted(checkpoints, key=lambda checkpoint: checkpoint.entries):
        if not keys.verifies(checkpoint_digest(checkpoint), checkpoint.signature, name=""):
            return ChainDamage(
                max(checkpoint.entries - 1, 0),
                "checkpoint",
                f"a signature made with a known key for {checkpoint.session}",
                checkpoint.signature,
            )
    return None
