"""Times the 158 features of Alpha158, and qlib's on a part of the same market in the same run.

    python -m benchmarks.features --names 5000 --years 10 --peer .venv-qlib/bin/python

The market is drawn once into `.bench/` and used again. Each measure is a process of its own, so
that its memory is its own, and is taken several times; the middle one counts, the spread is shown.

1. compute: bars in memory -> features, chunk by chunk, on two threads, for all names and for a
   tenth of them.
2. parquet: a file of bars -> a file of features, by what `tradegraph features compute` calls; also
   of a file sorted by session (`by_session`).
3. session: the asset's step for a new session, the lake holding what the windows read.
4. qlib on a part of the names, with one worker (its own choice on two processors) and two.
5. bandwidth: what the memory moves. A row's traffic is its bars read and its features written.

The last line reads `key=value ...`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.feature_bars import SESSIONS_A_YEAR
from benchmarks.feature_measures import FEATURES_A_BAR, LAKE, THREADS, Spent
from tradegraph_dagster.domain.features.schema import BAR_FIELDS

# Bars are read as float64, features written as float32.
ROW_BYTES = 8 * len(BAR_FIELDS) + 4 * FEATURES_A_BAR
FOLDER = Path(".bench")
# Measures whose memory is ours to bound.
OWN = ("compute", "parquet", "by_session", "session")


@dataclass
class Measures:
    """Every measure taken so far, by name, each as often as it was repeated."""

    taken: dict[str, list[Spent]] = field(default_factory=dict)

    def seconds(self, name: str) -> float:
        """The middle one of the wall times."""
        return median(one.seconds for one in self.taken[name])

    def rows_per_s(self, name: str) -> float:
        """Rows made in a second of the wall, by the middle time."""
        return self.taken[name][0].rows / self.seconds(name)

    def cpu_us_a_row(self, name: str) -> float:
        """Time of the processor a row: what a busy machine changes least."""
        taken = self.taken[name]
        return median(one.cpu_seconds for one in taken) / taken[0].rows * 1e6

    def peak_gb(self, name: str) -> float:
        """The largest memory of any."""
        return max(one.peak_gb for one in self.taken[name])

    def lines(self) -> list[str]:
        """One for each measure, for people."""
        return [
            f"{name:<16} {one[0].rows:>11,} rows {median(s.seconds for s in one):9.3f} s wall "
            f"({min(s.seconds for s in one):.3f} to {max(s.seconds for s in one):.3f}, "
            f"n={len(one)}) {median(s.cpu_seconds for s in one):9.3f} s cpu "
            f"{max(s.peak_gb for s in one):6.2f} GB"
            for name, one in self.taken.items()
        ]


def take(measure: str, folder: Path, **options: object) -> Spent:
    """Run one measure in a fresh process.

    Raises:
        SystemExit: It failed; what it said is above.
    """
    command = [sys.executable, "-m", "benchmarks.feature_measures", measure, str(folder)]
    for name, value in options.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the measure {measure} ended with {done.returncode}")
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def take_session(market: Path, sessions: int) -> Spent:
    """A new session in a lake that has the features of the one before."""
    with tempfile.TemporaryDirectory(prefix="feature_lake_") as name:
        lake = Path(name) / LAKE
        shutil.copytree(market / LAKE, lake)
        take("session", lake, sessions=sessions, back=1)
        return take("session", lake, sessions=sessions)


def plan(options: argparse.Namespace, market: Path) -> dict[str, Callable[[], Spent]]:
    """The measures in order, by name."""
    few = small_names(options.names)
    size = {"sessions": round(SESSIONS_A_YEAR * options.years)}
    measures = {
        "bandwidth": lambda: take("bandwidth", market),
        "compute_few": lambda: take("compute", market, names=few),
        "compute": lambda: take("compute", market, names=options.names),
        "parquet": lambda: take("parquet", market),
        "by_session": lambda: take("parquet", market, **{"by-session": True}),
        "session": lambda: take_session(market, size["sessions"]),
    }
    if options.peer is None:
        return measures
    some = {"names": min(options.peer_names, options.names), "peer": options.peer}
    return measures | {
        "qlib_1": lambda: take("peer", market, **some, workers=1, compare=True),
        "qlib_2": lambda: take("peer", market, **some, workers=2),
    }


def small_names(names: int) -> int:
    """A tenth of the names, to see how the cost grows."""
    return max(1, names // 10)


def figures(options: argparse.Namespace, measures: Measures) -> dict[str, float]:
    """What the last line says."""
    few = small_names(options.names)
    row_seconds = {name: 1 / measures.rows_per_s(name) for name in ("compute_few", "compute")}
    speed = measures.rows_per_s("compute")
    gb_per_s = median(one.gb_per_s for one in measures.taken["bandwidth"])
    found = {
        "names": options.names,
        "rows": measures.taken["compute"][0].rows,
        "n": options.repeats,
        "rows_per_s_core": round(speed / THREADS),
        "cpu_us_a_row": measures.cpu_us_a_row("compute"),
        "compute_s": measures.seconds("compute"),
        "parquet_s": measures.seconds("parquet"),
        "by_session_s": measures.seconds("by_session"),
        "start_s": median(one.start_seconds for one in measures.taken["compute"]),
        "session_s": measures.seconds("session"),
        "peak_gb": max(measures.peak_gb(name) for name in OWN),
        "bandwidth_gb_s": gb_per_s,
        "bandwidth_share": speed * ROW_BYTES / 1e9 / gb_per_s,
        f"growth_{few}_{options.names}": row_seconds["compute"] / row_seconds["compute_few"],
        "growth_cpu": measures.cpu_us_a_row("compute") / measures.cpu_us_a_row("compute_few"),
    }
    if options.peer is None:
        return found
    found["qlib_different_columns"] = max(one.different for one in measures.taken["qlib_1"])
    for workers in (1, 2):
        name = f"qlib_{workers}"
        found[f"{name}_rows_per_s"] = round(measures.rows_per_s(name))
        found[f"{name}_cpu_us_a_row"] = measures.cpu_us_a_row(name)
        found[f"ratio_{name}"] = speed / measures.rows_per_s(name)
        found[f"ratio_{name}_files"] = measures.rows_per_s("parquet") / measures.rows_per_s(name)
    return found


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run, print the measures, and the result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=5000)
    parser.add_argument("--years", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer", type=Path, help="interpreter that has qlib; not run without")
    parser.add_argument("--peer-names", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where drawn markets are kept")
    options = parser.parse_args(arguments)
    sessions = round(SESSIONS_A_YEAR * options.years)
    market = options.folder / f"features_{options.names}x{sessions}"
    measures = Measures()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        planned = plan(options, market)
        bar = progress.add_task("drawing", total=2 + len(planned) * options.repeats)
        if not market.exists():
            take("draw", market, names=options.names, sessions=sessions)
        progress.update(bar, advance=1, description="compiling")
        take("compute", market, names=1)
        progress.advance(bar)
        for name, measure in planned.items():
            for run in range(options.repeats):
                progress.update(bar, description=f"{name}, {run + 1} of {options.repeats}")
                measures.taken.setdefault(name, []).append(measure())
                progress.advance(bar)
    found = figures(options, measures)
    sys.stdout.writelines(f"{line}\n" for line in measures.lines())
    line = (
        f"{key}={value if isinstance(value, int) else f'{value:.3f}'}"
        for key, value in found.items()
    )
    sys.stdout.write(" ".join(line) + "\n")
    return found


if __name__ == "__main__":
    main()
