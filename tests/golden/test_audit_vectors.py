"""Hashes and signatures computed by hand from the written format, not by this package."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tradegraph_dagster.domain.audit.chain import find_damage, next_entry
from tradegraph_dagster.domain.audit.schema import AuditEntry

KEY = b"k" * 32
VECTORS = (
    (
        "genesis",
        "cc8ba8f21c8c9bca13468411e715212d64318ff1753db689661c8de5fbab73ec",
        "ba4e2fae1b2b3f1048bf4dd5f1d2baa0fdea84acb39df23ef5f6e0bf8ac05401",
    ),
    (
        "order_intent",
        "3d38c3b25c9ad0c3b304501cb065a3987c2dde75a58faef8bb36bcd93272191b",
        "57dc32e6106a13ceecdf171005429ee0a9055cd0fce5a2862fafa8d20eea45ac",
    ),
)


@pytest.fixture
def chain() -> list[AuditEntry]:
    at = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    entries: list[AuditEntry] = []
    for event, _, _ in VECTORS:
        head = entries[-1] if entries else None
        entries.append(
            next_entry(head, event=event, user="system", details={"x": 1}, at=at, key=KEY)
        )
    return entries


@pytest.mark.parametrize("seq", [0, 1])
def test_hash_and_signature_of_the_vectors(chain: list[AuditEntry], seq: int) -> None:
    event, digest, signature = VECTORS[seq]
    entry = chain[seq]
    assert (entry.seq, entry.event, entry.hash, entry.signature) == (seq, event, digest, signature)
    assert entry.timestamp == "2026-11-20T01:30:00.000000Z"


def test_the_vectors_form_a_whole_chain(chain: list[AuditEntry]) -> None:
    assert chain[0].prev_hash == "0" * 64
    assert find_damage(chain, KEY) is None
