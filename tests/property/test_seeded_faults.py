"""Whatever the seed, a seeded fault is caught by the check that should, and nothing else accused.

`benchmarks/seeded_faults.py` runs every kind on twenty seeds.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.fault_kinds import KINDS
from tests.support.fault_sizes import CURVES
from tests.support.seeded_faults import Answer, Kind, clean_world, seed_fault

SEEDS = (1, 2)
TWINS = 3
# Every kind on one of the seeds, half of them on each.
PLACED = [(SEEDS[at % len(SEEDS)], name) for at, name in enumerate(KINDS)]


def test_the_catalogue_is_large_enough() -> None:
    assert len(KINDS) >= 60


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clean_lake_accuses_nobody(seed: int) -> None:
    assert clean_world(seed).accusations == 0


@pytest.mark.parametrize("lasts", [1, 6])
@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_that_is_not_spoiled_accuses_nobody(seed: int, lasts: int) -> None:
    """The clean twin goes the way of the faults: the place, the sessions and the second source."""
    twin = Kind(_compared_with_itself, caught_by=("nothing",), lasts=lasts)
    for place in range(TWINS):
        outcome = seed_fault(clean_world(seed), twin, f"twin {place}")
        assert [text for text in outcome.seen[1:] if not text.endswith("warn")] == []
        assert not outcome.detected


def _compared_with_itself(_: object, answer: Answer) -> Answer:
    return replace(answer, second=answer.bars)


@pytest.mark.parametrize("name", CURVES)
def test_the_largest_of_a_curve_is_caught(name: str) -> None:
    kind_of, sizes = CURVES[name]
    outcome = seed_fault(clean_world(SEEDS[0]), kind_of(sizes[-1]), name)
    assert outcome.detected, outcome.seen


@pytest.mark.parametrize(("seed", "name"), sorted(PLACED))
def test_a_seeded_fault_is_caught(seed: int, name: str) -> None:
    outcome = seed_fault(clean_world(seed), KINDS[name], name)
    assert outcome.detected, outcome.seen
    assert outcome.wrongly_accused == 0, outcome.seen
