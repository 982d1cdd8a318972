"""Every kind of seeded fault on twenty seeds: detected by what should, and by nothing else.

Run from the repository root: `python -m benchmarks.seeded_faults [seeds]`. The last line has the
figures as key=value; the exit status is 1 if a fault was missed or a sound bar accused. Before it
come curves: what share is caught of faults too small to be caught always, which is no miss.
"""

from __future__ import annotations

import sys
from collections import Counter
from time import perf_counter

from tests.support.fault_kinds import KINDS
from tests.support.fault_sizes import CURVES
from tests.support.seeded_faults import World, clean_world, seed_fault

SEEDS = 20


def main(seeds: int) -> int:
    """Print a line a kind, then the figures."""
    started = perf_counter()
    detected: Counter[str] = Counter()
    accused: Counter[str] = Counter()
    misses: list[str] = []
    sizes: Counter[tuple[str, float]] = Counter()
    clean = 0
    for seed in range(1, seeds + 1):
        world = clean_world(seed)
        sizes.update(_caught_sizes(world))
        clean += world.accusations
        for name, kind in KINDS.items():
            outcome = seed_fault(world, kind, name)
            detected[name] += outcome.detected
            accused[name] += outcome.wrongly_accused
            if not outcome.detected or outcome.wrongly_accused:
                misses.append(f"seed {seed}, {name}: {'; '.join(outcome.seen[:6])}")
    total, false_alarms = sum(detected.values()), sum(accused.values()) + clean
    missed = seeds * len(KINDS) - total
    width = max(map(len, KINDS))
    lines = [f"{'kind':<{width}}  detected  false alarms  caught by"]
    for name, kind in KINDS.items():
        told = " or ".join(kind.caught_by)
        lines.append(
            f"{name:<{width}}  {detected[name]:>5}/{seeds:<2}  {accused[name]:>12}  {told}"
        )
    lines += misses
    lines += [
        f"{name}: " + ", ".join(f"{size:g} {sizes[name, size]}/{seeds}" for size in of_name)
        for name, (_, of_name) in CURVES.items()
    ]
    lines.append(
        f"kinds={len(KINDS)} seeds={seeds} detected={total} missed={missed} "
        f"false_alarms={false_alarms} clean_alarms={clean} seconds={perf_counter() - started:.0f}"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return int(missed + false_alarms > 0)


def _caught_sizes(world: World) -> list[tuple[str, float]]:
    """The sizes that were caught, all of a curve at the same place."""
    return [
        (name, size)
        for name, (kind_of, of_name) in CURVES.items()
        for size in of_name
        if seed_fault(world, kind_of(size), name).detected
    ]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS))
