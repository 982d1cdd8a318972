"""Builders of small audit chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from tradegraph_dagster.domain.audit.chain import checkpoint_digest, next_entry
from tradegraph_dagster.domain.audit.keys import Keyring, sign
from tradegraph_dagster.domain.audit.schema import AuditEntry, Checkpoint

KEY = b"k" * 32
KEYS = Keyring((KEY,))
START = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)


def make_chain(length: int, key: bytes = KEY) -> list[AuditEntry]:
    """`length` entries, one a second."""
    return extend_chain([], length, key)


def extend_chain(chain: Sequence[AuditEntry], more: int, key: bytes = KEY) -> list[AuditEntry]:
    """The chain with `more` entries."""
    extended = list(chain)
    for number in range(len(chain), len(chain) + more):
        extended.append(
            next_entry(
                extended[-1] if extended else None,
                event="genesis" if number == 0 else f"order_{number}",
                user="system",
                details={"symbol": "600000.SH", "n": number, "tags": ["a", "b"], "ok": True},
                at=START + timedelta(seconds=number),
                key=key,
            )
        )
    return extended


def make_checkpoint(chain: Sequence[AuditEntry], key: bytes = KEY) -> Checkpoint:
    """A checkpoint at the end of `chain`."""
    head_hash = chain[-1].hash if chain else "0" * 64
    unsigned = Checkpoint(date(2026, 11, 20), len(chain), head_hash, "f" * 64, "")
    return replace(unsigned, signature=sign(checkpoint_digest(unsigned), key))
