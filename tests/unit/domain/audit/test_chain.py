from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.support.make_chain import (
    KEY,
    KEYS,
    START,
    extend_chain,
    make_chain,
    make_checkpoint,
)
from tradegraph_dagster.domain.audit.chain import (
    entry_hash,
    find_damage,
    first_forged,
    next_entry,
)
from tradegraph_dagster.domain.audit.keys import Keyring, key_id, sign
from tradegraph_dagster.domain.audit.schema import AuditEntry
from tradegraph_dagster.domain.core.errors import InvariantBroken

NEW_KEY = b"n" * 32


def forge(entry: AuditEntry, key: bytes = b"x" * 32, **changes: Any) -> AuditEntry:
    """An entry whose hash fits again, signed with another key."""
    changed = replace(entry, **changes)
    digest = entry_hash(changed)
    return replace(changed, hash=digest, signature=sign(digest, key))


def test_secrets_never_reach_an_entry() -> None:
    details = {"api_key": "canary", "note": "Bearer canary"}
    entry = next_entry(None, event="e", user="u", details=details, at=START, key=KEY)
    assert "canary" not in repr(entry)
    assert find_damage([entry], KEYS) is None


def test_an_instant_needs_its_time_zone() -> None:
    naive = datetime(2024, 1, 2)  # noqa: DTZ001
    with pytest.raises(InvariantBroken, match="time zone"):
        next_entry(None, event="e", user="u", details={}, at=naive, key=KEY)


def test_an_empty_and_a_whole_chain_have_no_damage() -> None:
    chain = make_chain(5)
    assert find_damage([], KEYS) is None
    assert find_damage(chain, KEYS, [make_checkpoint(chain[:n]) for n in (5, 0, 3)]) is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"seq": 7}, "sequence"),
        ({"prev_hash": "1" * 64}, "prev_hash"),
        ({"seq": "2"}, "sequence"),
        ({"details_json": "\udc80"}, "unreadable"),
        ({"user": "\ud800"}, "unreadable"),
        ({"details_json": '{"x":2}'}, "hash"),
        ({"details_json": ""}, "hash"),
        ({"user": "someone"}, "hash"),
        ({"key_id": ""}, "hash"),
        ({"key_id": "0" * 16}, "hash"),
        ({"hash": "\udc80"}, "hash"),
        ({"signature": "é"}, "signature"),
        ({"signature": "\udc80"}, "signature"),
    ],
)
def test_damage_is_named_with_the_first_bad_entry(change: dict[str, Any], kind: str) -> None:
    chain = make_chain(5)
    chain[2] = replace(chain[2], **change)
    damage = find_damage(chain, KEYS)
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, kind)


def test_a_rewrite_without_the_key_is_found() -> None:
    chain = make_chain(4)
    chain[2] = forge(chain[2], details_json='{"n":99}')
    chain[3] = forge(chain[3], prev_hash=chain[2].hash)
    damage = find_damage(chain, KEYS)
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, "signature")


def test_only_a_checkpoint_finds_a_rewrite_with_the_key() -> None:
    chain = make_chain(4)
    other = [*chain[:2], next_entry(chain[1], event="x", user="u", details={}, at=START, key=KEY)]
    assert find_damage(other, KEYS) is None
    damage = find_damage(other, KEYS, [make_checkpoint(chain[:3])])
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, "rewritten")


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_checkpoint_finds_a_cut_tail(left: int) -> None:
    chain = make_chain(5)
    damage = find_damage(chain[:left], KEYS, [make_checkpoint(chain[:2]), make_checkpoint(chain)])
    assert damage is not None
    assert (damage.seq, damage.kind) == (left, "truncated")


def test_a_forged_checkpoint_is_found() -> None:
    chain = make_chain(3)
    forged = replace(make_checkpoint(chain), entries=2, head_hash=chain[1].hash)
    damage = first_forged([make_checkpoint(chain), forged], KEYS)
    assert damage is not None
    assert (damage.seq, damage.kind) == (1, "checkpoint")
    assert first_forged([make_checkpoint(chain)], KEYS) is None


def test_a_chain_goes_on_under_a_new_key() -> None:
    chain = extend_chain(make_chain(3), 2, NEW_KEY)
    assert [entry.key_id for entry in chain] == [key_id(KEY)] * 3 + [key_id(NEW_KEY)] * 2
    assert find_damage(chain, Keyring((NEW_KEY, KEY))) is None
    damage = find_damage(chain, Keyring((NEW_KEY,)))
    assert damage is not None
    assert (damage.seq, damage.kind) == (0, "key")
    damage = find_damage(chain, KEYS)
    assert damage is not None
    assert (damage.seq, damage.kind) == (3, "key")


def test_a_retired_key_adds_nothing_once_a_newer_one_signed() -> None:
    both = Keyring((NEW_KEY, KEY))
    chain = extend_chain(extend_chain(make_chain(3), 1, NEW_KEY), 1, KEY)
    damage = find_damage(chain, both)
    assert damage is not None
    assert (damage.seq, damage.kind) == (4, "key")
    resumed = find_damage(
        chain[4:], both, after=make_checkpoint(chain[:4]), signed_with=key_id(NEW_KEY)
    )
    assert resumed == damage
    # An entry without the key's id is of no newer key.
    blank = [*chain[:4], forge(chain[4], KEY, key_id="")]
    damage = find_damage(blank, both)
    assert damage is not None
    assert (damage.seq, damage.kind) == (4, "key")


def test_an_entry_is_verified_with_the_key_it_names_only() -> None:
    chain = make_chain(3)
    chain[2] = forge(chain[2], NEW_KEY)
    damage = find_damage(chain, Keyring((NEW_KEY, KEY)))
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, "signature")


def test_entries_without_a_key_id_still_verify_and_can_be_followed() -> None:
    old: list[AuditEntry] = []
    for entry in make_chain(3):
        prev_hash = old[-1].hash if old else entry.prev_hash
        old.append(forge(entry, KEY, key_id="", prev_hash=prev_hash))
    chain = extend_chain(old, 2, NEW_KEY)
    assert find_damage(chain, Keyring((NEW_KEY, KEY))) is None
    damage = find_damage(chain, Keyring((NEW_KEY,)))
    assert damage is not None
    assert (damage.seq, damage.kind) == (0, "signature")


def test_a_key_id_cannot_be_taken_away() -> None:
    chain = make_chain(3)
    blank = [replace(entry, key_id="") for entry in chain]
    damage = find_damage([*chain[:1], *blank[1:]], KEYS)
    assert damage is not None
    assert (damage.seq, damage.kind) == (1, "hash")


def test_a_keyring_shows_no_key_and_is_never_empty() -> None:
    assert "kkkk" not in repr(KEYS)
    with pytest.raises(InvariantBroken, match="at least one"):
        Keyring(())


def test_verification_goes_on_where_it_stopped() -> None:
    chain = make_chain(5)
    seen = make_checkpoint(chain[:3])
    assert find_damage(chain[3:], KEYS, after=seen) is None
    damage = find_damage(chain[4:], KEYS, after=seen)
    assert damage is not None
    assert (damage.seq, damage.kind) == (3, "sequence")


def test_progress_is_told_the_good_entries() -> None:
    told: list[int] = []
    assert find_damage(make_chain(3), KEYS, progress=told.append) is None
    assert told == [3]


@pytest.mark.parametrize("text", ["no json", "[1]", "[" * 100_000])
def test_details_that_are_no_map_are_named(text: str) -> None:
    entry = replace(make_chain(1)[0], details_json=text)
    with pytest.raises(InvariantBroken, match="verify the chain"):
        _ = entry.details


def test_users_and_events_are_unicode() -> None:
    with pytest.raises(InvariantBroken, match="not Unicode"):
        next_entry(None, event="e", user="\ud800", details={}, at=START, key=KEY)


def test_entries_are_streamed() -> None:
    taken = []

    def stream() -> Iterator[AuditEntry]:
        for entry in make_chain(6):
            taken.append(entry.seq)
            yield replace(entry, user="x") if entry.seq == 3 else entry

    assert find_damage(stream(), KEYS) is not None
    assert taken == [0, 1, 2, 3]
