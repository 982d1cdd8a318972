"""Whatever is changed in a stored chain, the first bad entry is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_chain import KEYS, make_chain, make_checkpoint
from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.schema import AuditEntry

CHAIN = make_chain(50)
HEAD = make_checkpoint(CHAIN)
TEXTS = ("timestamp", "event", "user", "details_json", "prev_hash", "hash", "signature", "key_id")
POSITIONS = st.integers(0, len(CHAIN) - 1)


def flipped(entry: AuditEntry) -> Iterator[AuditEntry]:
    """The entry with one bit of one column changed, for every bit there is."""
    for name in TEXTS:
        raw = getattr(entry, name).encode()
        for bit in range(8 * len(raw)):
            other = bytearray(raw)
            other[bit // 8] ^= 1 << bit % 8
            changed: Any = other.decode(errors="surrogateescape")
            yield replace(entry, **{name: changed})
    for bit in range(64):
        yield replace(entry, seq=entry.seq ^ (1 << bit))


def expect_damage(entries: list[AuditEntry], seq: int) -> None:
    damage = find_damage(entries, KEYS, [HEAD])
    assert damage is not None
    assert damage.seq == seq


def test_every_flipped_bit_of_every_entry_is_found() -> None:
    flips = 0
    for position, entry in enumerate(CHAIN):
        before = make_checkpoint(CHAIN[:position])
        for changed in flipped(entry):
            damage = find_damage([changed, *CHAIN[position + 1 :]], KEYS, after=before)
            assert damage is not None
            assert damage.seq == position
            flips += 1
    assert flips > 2000 * len(CHAIN)


def test_the_flipped_fields_are_all_fields() -> None:
    assert {field.name for field in fields(AuditEntry)} == {*TEXTS, "seq"}


def test_every_deleted_entry_is_found() -> None:
    for position in range(len(CHAIN)):
        expect_damage([*CHAIN[:position], *CHAIN[position + 1 :]], position)


def test_every_two_swapped_entries_are_found() -> None:
    for left, right in combinations(range(len(CHAIN)), 2):
        entries = list(CHAIN)
        entries[left], entries[right] = entries[right], entries[left]
        expect_damage(entries, left)


def test_every_entry_inserted_anywhere_is_found() -> None:
    for position in range(len(CHAIN) + 1):
        for copied in range(len(CHAIN)):
            entries = [*CHAIN[:position], CHAIN[copied], *CHAIN[position:]]
            expect_damage(entries, position + 1 if copied == position else position)


def test_every_tail_cut_below_the_checkpoint_is_found() -> None:
    for left in range(len(CHAIN)):
        expect_damage(CHAIN[:left], left)


@given(POSITIONS, st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5)))
def test_other_details_are_found(position: int, details: dict[str, Any]) -> None:
    changed = replace(CHAIN[position], details_json=canonical_json(details))
    expect_damage([*CHAIN[:position], changed, *CHAIN[position + 1 :]], position)


@given(st.data())
def test_text_moved_between_columns_is_found(data: st.DataObject) -> None:
    position = data.draw(POSITIONS)
    entry = CHAIN[position]
    left, right = data.draw(st.permutations(TEXTS))[:2]
    joined = getattr(entry, left) + getattr(entry, right)
    cut = data.draw(st.integers(0, len(joined)))
    changes: Any = {left: joined[:cut], right: joined[cut:]}
    changed = replace(entry, **changes)
    if changed != entry:
        expect_damage([*CHAIN[:position], changed, *CHAIN[position + 1 :]], position)


@given(st.lists(POSITIONS, max_size=60))
def test_only_the_chain_itself_is_whole(order: list[int]) -> None:
    entries = [CHAIN[position] for position in order]
    whole = order == list(range(len(CHAIN)))
    assert (find_damage(entries, KEYS, [HEAD]) is None) == whole


def test_the_chain_itself_is_whole() -> None:
    assert find_damage(CHAIN, KEYS, [HEAD]) is None
