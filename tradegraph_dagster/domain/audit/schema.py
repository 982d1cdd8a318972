"""Table and values of the audit stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import polars as pl

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.frames import Column, FrameSchema

AUDIT_CHECKPOINT = FrameSchema(
    name="audit_checkpoint",
    doc="Head of the audit chain at the end of a session; one row.",
    key=("session",),
    columns={
        "session": Column(pl.Date, "trading date"),
        "entries": Column(pl.Int64, "entries in the chain up to the checkpoint"),
        "head_hash": Column(pl.String, "hash of the last of them"),
        "signature": Column(pl.String, "HMAC-SHA256 over the other columns"),
        "session_fingerprint": Column(
            pl.String, "hash of the fingerprints of the session's tables"
        ),
    },
)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One link of the chain, as stored.

    Attributes:
        seq: From 0, without a gap.
        timestamp: ISO 8601 in UTC with microseconds.
        event: What happened.
        user: Who did it.
        details_json: Canonical JSON, byte for byte what was hashed.
        prev_hash: Of the entry before; 64 zeros for the first.
        hash: Of the columns above and the key's id.
        signature: HMAC-SHA256 over the hash.
        key_id: Which key signed; empty in entries from before keys had ids.
    """

    seq: int
    timestamp: str
    event: str
    user: str
    details_json: str
    prev_hash: str
    hash: str
    signature: str
    key_id: str = ""

    @property
    def details(self) -> Mapping[str, Any]:
        """Strings, integers, booleans, lists and maps.

        Raises:
            InvariantBroken: The stored text is no JSON object; verify the chain.
        """
        try:
            parsed = json.loads(self.details_json)
        except (ValueError, RecursionError) as error:
            raise InvariantBroken(
                f"details of audit entry {self.seq} are no JSON ({error}); verify the chain",
                table="audit_entries",
            ) from error
        if not isinstance(parsed, dict):
            raise InvariantBroken(
                f"details of audit entry {self.seq}: expected a map, found "
                f"{type(parsed).__name__}; verify the chain",
                table="audit_entries",
            )
        return parsed


class SeenHead(Protocol):
    """What a checkpoint remembers of a chain: how long it was, and its last hash."""

    @property
    def entries(self) -> int:
        """Entries in the chain."""
        ...

    @property
    def head_hash(self) -> str:
        """Hash of the last of them."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One row of AUDIT_CHECKPOINT: what the chain looked like at the end of a session."""

    session: date
    entries: int
    head_hash: str
    session_fingerprint: str
    signature: str


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line of a checkpoint journal, kept where the writer of the chain cannot change it.

    Attributes:
        log_id: Hash of the chain's first entry: another ledger is another log.
        entries: Entries in the chain.
        head_hash: Hash of the last of them.
        ts: When, ISO 8601 in UTC.
        prev: Signature of the line before; 64 zeros in the first.
        key_id: Which key signed.
        signature: HMAC-SHA256 over the rest.
    """

    log_id: str
    entries: int
    head_hash: str
    ts: str
    prev: str
    key_id: str
    signature: str


# Stands for text at the end of a journal that was a line once: it verifies with no key.
UNREADABLE_LINE = JournalLine("", 0, "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class ChainDamage:
    """The first bad entry of a chain.

    `kind` is

    - sequence: lost, inserted or reordered;
    - prev_hash: does not follow the entry before;
    - unreadable: no Unicode text;
    - hash: changed;
    - key: signed with a key that is not known, or that was retired before;
    - signature: not made with the key it names;
    - rewritten: valid, but not what a checkpoint saw;
    - truncated: shorter than a checkpoint saw;
    - checkpoint: a checkpoint itself is forged;
    - journal: the checkpoint journal or lines of it are lost, or it is another log's.
    """

    seq: int
    kind: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.kind}; expected {self.expected}, found {self.found}"
