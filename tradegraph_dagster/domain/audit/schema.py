"""Table and values of the audit stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

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
    """One link of the chain; `details` hold strings, integers, booleans, lists and maps only."""

    seq: int
    timestamp: str
    event: str
    user: str
    details: Mapping[str, Any]
    prev_hash: str
    hash: str
    signature: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One row of AUDIT_CHECKPOINT: what the chain looked like at the end of a session."""

    session: date
    entries: int
    head_hash: str
    session_fingerprint: str
    signature: str


@dataclass(frozen=True, slots=True)
class ChainDamage:
    """The first bad entry of a chain.

    `kind` is sequence (lost, inserted or reordered), prev_hash, unreadable, hash (changed),
    signature (made without the key), rewritten (valid, but not what a checkpoint saw), truncated
    (shorter than a checkpoint saw) or checkpoint (the checkpoint itself is forged).
    """

    seq: int
    kind: str
    expected: str
    found: str
