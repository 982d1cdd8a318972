"""Times the path from raw bars to validated bars, on a lake of Parquet files.

    python -m benchmarks.data_path --names 5000 --sessions 2430

1. A history is made: instruments, raw bars, events, adjusted bars, all gates and the contract,
   validated bars; every table is written.
2. The same is run again: no file may change.
3. One more session is run.
4. Adjustment and three gates race the same in plain pandas, on a part of the market.

Drawing the market is timed apart and not counted. Each stage is given the whole range in one call,
as a backfill does. The last line reads `key=value ...`.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.drawn_market import DrawnMarket
from tradegraph_dagster.adapters.great_expectations.table_contract import GreatExpectationsContract
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, QUARANTINED_BARS, VALIDATED_BARS
from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy

NEWEST = date(2026, 11, 20)
MARKET = load_market("cn")
# What pandas is raced on: enough rows that starting up does not count, few enough to be quick.
PEER_NAMES = 2000
PEER_SESSIONS = 240
DERIVED = (BAR_FINDINGS.name, QUARANTINED_BARS.name, VALIDATED_BARS.name)

Step = Callable[[Workspace, DrawnMarket, Sequence[date]], tuple[StepReport, ...]]


@dataclass(frozen=True)
class Spent:
    """Time of one stage, drawing left out, and the rows it wrote."""

    seconds: float
    cpu_seconds: float
    rows: int


@dataclass(frozen=True)
class Run:
    """What the benchmark found."""

    names: int
    sessions: int
    rows: int
    seconds: float
    cpu_seconds: float
    drawing_seconds: float
    peak_gib: float
    rerun_seconds: float
    rerun_cpu_seconds: float
    rerun_changed_files: int
    one_session_seconds: float

    def line(self) -> str:
        """`key=value` for every field."""
        return " ".join(
            f"{name}={value:.2f}" if isinstance(value, float) else f"{name}={value}"
            for name, value in vars(self).items()
        )


def stages(latest: date) -> Mapping[str, Step]:
    """The stages in order, by name."""
    contract = GreatExpectationsContract()
    return {
        "instruments": lambda ws, source, days: (
            ingest_instruments(ws, SourcePanel([source]), days, latest_closed=latest),
        ),
        "raw_bars": lambda ws, source, days: ingest_bars(
            ws, SourcePanel([source]), days, latest_closed=latest
        ),
        "corporate_actions": lambda ws, source, days: (
            ingest_actions(
                ws,
                SourcePanel([source]),
                days,
                latest_known=latest,
                seen_at=ws.calendar.close_at(latest),
                derived=DERIVED,
            ),
        ),
        "adjusted_bars": lambda ws, _, days: (adjust_sessions(ws, days, derived=DERIVED),),
        "bar_findings": lambda ws, _, days: find_faults(ws, contract, days),
        "validated_bars": lambda ws, _, days: (validate_sessions(ws, days, QualityPolicy()),),
    }


def run_stages(
    ws: Workspace, source: DrawnMarket, days: Sequence[date], progress: Progress, label: str
) -> dict[str, Spent]:
    """Run every stage over the whole range and time each.

    Raises:
        SystemExit: A stage withheld a session: the market was drawn wrong, or a step is broken.
    """
    steps = stages(days[-1])
    bar = progress.add_task(label, total=len(steps))
    spent = {}
    for name, step in steps.items():
        progress.update(bar, description=f"{label}: {name}")
        before = (time.perf_counter(), time.process_time())
        drawn = (source.drawing_seconds, source.drawing_cpu_seconds)
        reports = step(ws, source, days)
        for report in reports:
            if report.withheld:
                day, reason = next(iter(report.withheld.items()))
                raise SystemExit(f"{name}: withheld {len(report.withheld)}, first {day}: {reason}")
        spent[name] = Spent(
            time.perf_counter() - before[0] - (source.drawing_seconds - drawn[0]),
            time.process_time() - before[1] - (source.drawing_cpu_seconds - drawn[1]),
            sum(one.rows for one in reports[0].written),
        )
        progress.advance(bar)
    return spent


def file_states(folder: Path) -> dict[Path, tuple[int, int]]:
    """Each file of the lake with its identity and time of change."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*.parquet")
    }


def peak_gib() -> float:
    """Largest memory this process has held so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(
    names: int, sessions: int, folder: Path, progress: Progress
) -> tuple[Run, dict[str, dict[str, Spent]]]:
    """Run the whole benchmark in an empty folder; what each stage of each run spent, by name."""
    *days, extra = MARKET.calendar.trailing(NEWEST, sessions + 1)
    source = DrawnMarket(MARKET.calendar, (*days, extra), names)
    ws = Workspace(MARKET, ParquetFrameStore(folder), days[0])
    spent = run_stages(ws, source, days, progress, "history")
    drawing = source.drawing_seconds
    peak = peak_gib()
    before = file_states(folder)
    again = run_stages(ws, source, days, progress, "again")
    after = file_states(folder)
    changed = sum(before.get(path) != state for path, state in after.items())
    source.bars([days[-1]])
    one = run_stages(ws, source, [extra], progress, "one session")
    made = Run(
        names=names,
        sessions=sessions,
        rows=spent[VALIDATED_BARS.name].rows,
        seconds=sum(stage.seconds for stage in spent.values()),
        cpu_seconds=sum(stage.cpu_seconds for stage in spent.values()),
        drawing_seconds=drawing,
        peak_gib=peak,
        rerun_seconds=sum(stage.seconds for stage in again.values()),
        rerun_cpu_seconds=sum(stage.cpu_seconds for stage in again.values()),
        rerun_changed_files=changed + len(before.keys() - after.keys()),
        one_session_seconds=sum(stage.seconds for stage in one.values()),
    )
    return made, {"history": spent, "again": again, "one session": one}


def main(arguments: Sequence[str] | None = None) -> Run:
    """Run, print the stages, and the result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=2430)
    parser.add_argument("--folder", type=Path, help="keep the lake here; it must be empty")
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="data_path_"))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, transient=True) as progress:
            run, spent = measure(options.names, options.sessions, folder, progress)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    for label, by_stage in spent.items():
        for name, stage in by_stage.items():
            sys.stdout.write(
                f"{label:<12} {name:<18} {stage.seconds:8.2f} s wall "
                f"{stage.cpu_seconds:8.2f} s cpu {stage.rows:>11,} rows\n"
            )
    # Not before: the contract has to load pandas, and the time that takes is the pipeline's.
    from benchmarks.pandas_peer import race

    raced = MARKET.calendar.trailing(NEWEST, min(options.sessions, PEER_SESSIONS))
    peer = race(MARKET, raced, min(options.names, PEER_NAMES))
    sys.stdout.write(f"{run.line()} {peer.line()}\n")
    return run


if __name__ == "__main__":
    main()
