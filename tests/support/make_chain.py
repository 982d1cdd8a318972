"""Builders of small audit chains."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from tradegraph_dagster.domain.audit.chain import checkpoint_signature, next_entry
from tradegraph_dagster.domain.audit.schema import AuditEntry, Checkpoint

KEY = b"k" * 32
START = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)


def make_chain(length: int, key: bytes = KEY) -> list[AuditEntry]:
    """`length` entries, one a second."""
    chain: list[AuditEntry] = []
    for number in range(length):
        chain.append(
            next_entry(
                chain[-1] if chain else None,
                event="genesis" if number == 0 else f"order_{number}",
                user="system",
                details={"symbol": "600000.SH", "n": number, "tags": ["a", "b"], "ok": True},
                at=START + timedelta(seconds=number),
                key=key,
            )
        )
    return chain


def make_checkpoint(chain: list[AuditEntry], key: bytes = KEY) -> Checkpoint:
    """A checkpoint at the end of `chain`."""
    head_hash = chain[-1].hash if chain else "0" * 64
    unsigned = Checkpoint(date(2026, 11, 20), len(chain), head_hash, "f" * 64, "")
    return replace(unsigned, signature=checkpoint_signature(unsigned, key))
