"""How many small changes of the gates and of the order machine the tests notice.

    python -m benchmarks.mutation [--sample 400] [--children 2]

mutmut changes one expression at a time in a copy under mutants/ and runs the tests that reach it;
which modules and which tests is in pyproject.toml. What was tried before is not tried again unless
it changed. The last line has the score: noticed changes among those tried.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from random import Random

# Any one change: trying it makes mutmut write down all of them.
FIRST = "tradegraph_dagster.domain.risk.historical_var.*__mutmut_1"
UNTRIED = "not checked"
NOTICED = frozenset({"killed", "timeout", "suspicious", "caught by type check"})


def run_mutmut(*arguments: str) -> str:
    """What mutmut wrote to its standard output."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}")
    return done.stdout


def outcomes() -> dict[str, str]:
    """Change -> what became of it."""
    lines = run_mutmut("results", "--all", "true").splitlines()
    found = (line.strip().rpartition(": ") for line in lines)
    return {name: outcome for name, _, outcome in found if "__mutmut_" in name}


def report(found: dict[str, str]) -> str:
    """Noticed and tried by module, what went unnoticed, and the score."""
    tried = {name: outcome for name, outcome in found.items() if outcome != UNTRIED}
    modules = Counter(name.rpartition(".")[0] for name in tried)
    noticed = Counter(name.rpartition(".")[0] for name, how in tried.items() if how in NOTICED)
    unnoticed = [f"unnoticed {name}" for name, how in sorted(tried.items()) if how not in NOTICED]
    lines = [f"{noticed[module]}/{count} {module}" for module, count in sorted(modules.items())]
    total, all_noticed = sum(modules.values()), sum(noticed.values())
    score = all_noticed / total if total else 0.0
    last = f"mutants={len(found)} tried={total} noticed={all_noticed} score={score:.1%}"
    return "\n".join([*unnoticed, *lines, last])


def main() -> None:
    """Try them, all or a sample, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int, help="as many changes, drawn with a fixed seed")
    parser.add_argument("--children", type=int, default=2)
    given = parser.parse_args()
    children = ("--max-children", str(given.children))
    if given.sample is None:
        run_mutmut("run", *children)
    else:
        run_mutmut("run", *children, FIRST)
        names = sorted(outcomes())
        drawn = Random(20260101).sample(names, min(given.sample, len(names)))
        run_mutmut("run", *children, *drawn)
    sys.stdout.write(report(outcomes()) + "\n")


if __name__ == "__main__":
    main()
