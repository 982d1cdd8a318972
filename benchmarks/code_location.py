"""What loading the trading code location costs, beside a bare `import dagster`.

    python -m benchmarks.code_location [--rounds 5]

Every run, tick and page load of a new process pays it. Each round loads both in turn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

DAGSTER = "import dagster"
TRADING = """
import tradegraph_dagster.definitions as module
module.defs.load_definitions() if hasattr(module.defs, "load_definitions") else module.defs()
"""
_REPORT = """
import json, sys, time
print(json.dumps([time.process_time(), sorted({name.split(".")[0] for name in sys.modules})]))
"""


@dataclass(frozen=True, slots=True)
class Load:
    """CPU seconds from the start of the process, and the top-level packages it imported."""

    cpu_seconds: float
    libraries: frozenset[str]


def load_in_a_new_process(statements: str) -> Load:
    """Run the statements in a fresh interpreter; an error there is raised here."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statements}\n{_REPORT}"],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, libraries = json.loads(done.stdout.splitlines()[-1])
    return Load(seconds, frozenset(libraries))


def main() -> int:
    """Print the medians and their ratio on the last line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.code_location", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    both = [
        (load_in_a_new_process(TRADING).cpu_seconds, load_in_a_new_process(DAGSTER).cpu_seconds)
        for _ in range(rounds)
    ]
    ours, bare = median(one for one, _ in both), median(one for _, one in both)
    ratios = sorted(one / other for one, other in both)
    sys.stdout.write(
        f"rounds={rounds} cpu_seconds={ours:.2f} dagster_cpu_seconds={bare:.2f} "
        f"ratio={median(ratios):.2f} ratio_range={ratios[0]:.2f}-{ratios[-1]:.2f}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
