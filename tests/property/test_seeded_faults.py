"""Whatever the seed, a seeded fault is caught by the check that should, and nothing else accused.

`benchmarks/seeded_faults.py` runs every kind on twenty seeds.
"""

from __future__ import annotations

import pytest

from tests.support.fault_kinds import KINDS
from tests.support.seeded_faults import clean_world, seed_fault

SEEDS = (1, 2)
# Every kind on one of the seeds, half of them on each.
PLACED = [(SEEDS[at % len(SEEDS)], name) for at, name in enumerate(KINDS)]


def test_the_catalogue_is_large_enough() -> None:
    assert len(KINDS) >= 60


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clean_lake_accuses_nobody(seed: int) -> None:
    assert clean_world(seed).accusations == 0


@pytest.mark.parametrize(("seed", "name"), sorted(PLACED))
def test_a_seeded_fault_is_caught(seed: int, name: str) -> None:
    outcome = seed_fault(clean_world(seed), KINDS[name], name)
    assert outcome.detected, outcome.seen
    assert outcome.wrongly_accused == 0, outcome.seen
