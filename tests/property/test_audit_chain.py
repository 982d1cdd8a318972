"""Whatever is changed in a stored chain, the first bad entry is found."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_chain import KEY, make_chain, make_checkpoint
from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.schema import AuditEntry

CHAIN = make_chain(4)
HEAD = make_checkpoint(CHAIN)
TEXTS = ("timestamp", "event", "user", "prev_hash", "hash", "signature")
POSITIONS = st.integers(0, len(CHAIN) - 1)


def flip_text(text: str, bit: int) -> str:
    raw = bytearray(text.encode())
    raw[bit // 8] ^= 1 << bit % 8
    return raw.decode(errors="surrogateescape")


def expect_damage(entries: list[AuditEntry], seq: int) -> None:
    damage = find_damage(entries, KEY, [HEAD])
    assert damage is not None
    assert damage.seq == seq


def test_every_flipped_bit_is_found() -> None:
    for position, entry in enumerate(CHAIN):
        for name in TEXTS:
            value = getattr(entry, name)
            for bit in range(8 * len(value.encode())):
                changed: Any = replace(entry, **{name: flip_text(value, bit)})
                expect_damage([*CHAIN[:position], changed, *CHAIN[position + 1 :]], position)
        for bit in range(63):
            changed = replace(entry, seq=entry.seq ^ (1 << bit))
            expect_damage([*CHAIN[:position], changed, *CHAIN[position + 1 :]], position)


def test_the_flipped_fields_are_all_fields() -> None:
    assert {field.name for field in fields(AuditEntry)} == {*TEXTS, "seq", "details"}


@given(POSITIONS, st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5)))
def test_other_details_are_found(position: int, details: dict[str, Any]) -> None:
    assert canonical_json(details) != canonical_json(CHAIN[position].details)
    changed = replace(CHAIN[position], details=details)
    expect_damage([*CHAIN[:position], changed, *CHAIN[position + 1 :]], position)


@given(POSITIONS)
def test_a_deleted_entry_is_found(position: int) -> None:
    expect_damage([*CHAIN[:position], *CHAIN[position + 1 :]], position)


@given(POSITIONS, POSITIONS)
def test_two_swapped_entries_are_found(left: int, right: int) -> None:
    if left != right:
        entries = list(CHAIN)
        entries[left], entries[right] = entries[right], entries[left]
        expect_damage(entries, min(left, right))


@given(st.integers(0, len(CHAIN)), POSITIONS)
def test_an_entry_inserted_is_found(position: int, copied: int) -> None:
    entries = [*CHAIN[:position], CHAIN[copied], *CHAIN[position:]]
    first_wrong = position + 1 if copied == position else position
    expect_damage(entries, first_wrong)


@given(st.integers(0, len(CHAIN) - 1))
def test_a_tail_cut_below_the_checkpoint_is_found(left: int) -> None:
    expect_damage(CHAIN[:left], left)
