from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.support.make_chain import KEY, START, make_chain, make_checkpoint
from tradegraph_dagster.domain.audit.chain import entry_hash, find_damage, next_entry, sign
from tradegraph_dagster.domain.audit.schema import AuditEntry
from tradegraph_dagster.domain.core.errors import InvariantBroken


def forge(entry: AuditEntry, **changes: Any) -> AuditEntry:
    """An entry whose hash fits again, signed with another key."""
    changed = replace(entry, **changes)
    digest = entry_hash(changed)
    return replace(changed, hash=digest, signature=sign(digest, b"x" * 32))


def test_secrets_never_reach_an_entry() -> None:
    details = {"api_key": "canary", "note": "Bearer canary"}
    entry = next_entry(None, event="e", user="u", details=details, at=START, key=KEY)
    assert "canary" not in repr(entry)
    assert find_damage([entry], KEY) is None


def test_an_instant_needs_its_time_zone() -> None:
    naive = datetime(2024, 1, 2)  # noqa: DTZ001
    with pytest.raises(InvariantBroken, match="time zone"):
        next_entry(None, event="e", user="u", details={}, at=naive, key=KEY)


def test_an_empty_and_a_whole_chain_have_no_damage() -> None:
    chain = make_chain(5)
    assert find_damage([], KEY) is None
    assert find_damage(chain, KEY, [make_checkpoint(chain[:n]) for n in (5, 0, 3)]) is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"seq": 7}, "sequence"),
        ({"prev_hash": "1" * 64}, "prev_hash"),
        ({"details": {"x": 1.5}}, "unreadable"),
        ({"details": {"x": 2}}, "hash"),
        ({"user": "someone"}, "hash"),
        ({"signature": "é"}, "signature"),
    ],
)
def test_damage_is_named_with_the_first_bad_entry(change: dict[str, Any], kind: str) -> None:
    chain = make_chain(5)
    chain[2] = replace(chain[2], **change)
    damage = find_damage(chain, KEY)
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, kind)


def test_a_rewrite_without_the_key_is_found() -> None:
    chain = make_chain(4)
    chain[2] = forge(chain[2], details={"n": 99})
    chain[3] = forge(chain[3], prev_hash=chain[2].hash)
    damage = find_damage(chain, KEY)
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, "signature")


def test_only_a_checkpoint_finds_a_rewrite_with_the_key() -> None:
    chain = make_chain(4)
    other = [*chain[:2], next_entry(chain[1], event="x", user="u", details={}, at=START, key=KEY)]
    assert find_damage(other, KEY) is None
    damage = find_damage(other, KEY, [make_checkpoint(chain[:3])])
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, "rewritten")


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_checkpoint_finds_a_cut_tail(left: int) -> None:
    chain = make_chain(5)
    damage = find_damage(chain[:left], KEY, [make_checkpoint(chain[:2]), make_checkpoint(chain)])
    assert damage is not None
    assert (damage.seq, damage.kind) == (left, "truncated")


def test_a_forged_checkpoint_is_found() -> None:
    chain = make_chain(3)
    forged = replace(make_checkpoint(chain), entries=2, head_hash=chain[1].hash)
    damage = find_damage(chain, KEY, [forged])
    assert damage is not None
    assert damage.kind == "checkpoint"


def test_entries_are_streamed() -> None:
    taken = []

    def stream() -> Iterator[AuditEntry]:
        for entry in make_chain(6):
            taken.append(entry.seq)
            yield replace(entry, user="x") if entry.seq == 3 else entry

    assert find_damage(stream(), KEY) is not None
    assert taken == [0, 1, 2, 3]
