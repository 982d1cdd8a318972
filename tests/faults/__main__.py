"""`python -m tests.faults --seeds 0:10000`: runs a range of seeds and counts."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults.cases import CELLS, seed_to_case
from tests.faults.places import HOMES

# One thread, because processes are forked off.
_WORKER = ("env", "POLARS_MAX_THREADS=1", sys.executable, "-m", "tests.faults.worker")
_KINDS = ("doubled", "lost", "unbalanced")
_MET = ("has_crashed", "has_struck")


def main() -> int:
    """Print what was wrong, if anything, and on the last line the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", default="0:192", help=f"first:last; {CELLS} are the matrix once")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--ledger", choices=HOMES, default="sqlite", help="where it is kept")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    first, last = map(int, asked.seeds.split(":"))
    found = _run(first, last, asked.workers, asked.ledger)
    wrong = [one for one in found if any(one[kind] for kind in _KINDS)]
    for one in wrong:
        sys.stdout.write(f"{_describe(one)}\n")
    runs = len(found)
    counts = Counter(kind for one in found for kind in (*_KINDS, *_MET) if one[kind])
    sys.stdout.write(
        f"of {runs}: crashed in the window {counts['has_crashed']}, met the fault "
        f"{counts['has_struck']}, unbalanced {counts['unbalanced']}\n"
    )
    sys.stdout.write(f"runs={runs} doubled={counts['doubled']} lost={counts['lost']}\n")
    return 1 if wrong or runs != last - first else 0


def _run(first: int, last: int, workers: int, ledger: str) -> list[dict[str, Any]]:
    """What each run came to; Ctrl-C ends it early, and what was found so far counts."""
    found: list[dict[str, Any]] = []
    processes = [
        subprocess.Popen(
            [*_WORKER, str(start), str(last), str(workers), ledger],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for start in range(first, min(first + workers, last))
    ]
    with _progress() as progress, contextlib.suppress(KeyboardInterrupt):
        task = progress.add_task("fault matrix", total=last - first)
        lines = [process.stdout for process in processes if process.stdout is not None]
        while lines:
            for stream in list(lines):
                line = stream.readline()
                if not line:
                    lines.remove(stream)
                    continue
                found.append(json.loads(line))
                progress.advance(task)
    for process in processes:
        process.terminate()
        process.wait()
    return found


def _progress() -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def _describe(found: dict[str, Any]) -> str:
    case = seed_to_case(found["seed"])
    what = {kind: found[kind] for kind in ("doubled", "lost", "unbalanced") if found[kind]}
    return (
        f"seed {case.seed}: fault {case.fault} in window {case.window.name} ({case.target}): {what}"
    )


if __name__ == "__main__":
    sys.exit(main())
