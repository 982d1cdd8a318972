"""Hashes and signatures computed by hand from the written format, not by this package."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tradegraph_dagster.domain.audit.chain import entry_hash, find_damage, next_entry
from tradegraph_dagster.domain.audit.keys import Keyring, key_id, sign
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


# One more entry, with a key id: its text and the key put through sha256sum and
# `openssl dgst -sha256 -hmac`.
KEY_ID = "04cb220d71298691"
V2_HASH = "d72bae7c62dad068ee6ef787537b41b694fb840b955527d9bac21ca8450862c4"
V2_SIGNATURE = "49fc33951aae5467eb90b777c95cc259d9f68a1a904d5b246f0d90960d64d7ad"


@pytest.fixture
def chain() -> list[AuditEntry]:
    """Entries of before keys had ids, as they were stored."""
    entries: list[AuditEntry] = []
    prev_hash = "0" * 64
    for seq, (event, digest, signature) in enumerate(VECTORS):
        stamp = "2026-11-20T01:30:00.000000Z"
        entries.append(
            AuditEntry(seq, stamp, event, "system", '{"x":1}', prev_hash, digest, signature)
        )
        prev_hash = digest
    return entries


@pytest.mark.parametrize("seq", [0, 1])
def test_hash_and_signature_of_the_vectors(chain: list[AuditEntry], seq: int) -> None:
    _, digest, signature = VECTORS[seq]
    assert entry_hash(chain[seq]) == digest
    assert sign(digest, KEY) == signature


def test_the_vectors_form_a_whole_chain(chain: list[AuditEntry]) -> None:
    assert chain[0].prev_hash == "0" * 64
    assert find_damage(chain, Keyring((KEY,))) is None


def test_a_new_entry_follows_the_written_format(chain: list[AuditEntry]) -> None:
    at = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    entry = next_entry(chain[1], event="order_intent", user="jö", details={"x": 1}, at=at, key=KEY)
    assert (entry.key_id, key_id(KEY)) == (KEY_ID, KEY_ID)
    assert entry.hash == V2_HASH
    assert entry.signature == V2_SIGNATURE
    assert find_damage([*chain, entry], Keyring((KEY,))) is None
