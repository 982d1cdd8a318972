"""One measure of the features in a process of its own; `benchmarks.features` starts them.

    python -m benchmarks.feature_measures compute .bench/features_5000x2430 --names 500

The market is drawn by the measure `draw`. The answer is one JSON line: seconds of the wall and of
the processor around what is measured, and the largest memory the process has held.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.feature_bars import KEY, MARKET, NEWEST, draw_bars, place_rows
from benchmarks.qlib_peer import (
    differences,
    own_values,
    read_peer_values,
    run_peer,
    write_peer_folder,
)
from tradegraph_dagster.adapters.parquet.feature_file import bar_file_to_features
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.features.blocks import PlacedRows, rows_to_columns
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.markets.workspace import Workspace

THREADS = 2
BARS = "bars.parquet"
BARS_BY_SESSION = "bars_by_session.parquet"
LAKE = "lake"
FEATURES_A_BAR = 158
# What a window needs, and one more so that the session before the newest can be computed as well.
TAIL_SESSIONS = 62
# Rows of a chunk: its columns take 120 MB.
CHUNK_ROWS = 190_000
# Of an array in the measure of bandwidth, far beyond any cache.
BANDWIDTH_VALUES = 24_000_000
BANDWIDTH_TRIES = 7


@dataclass
class Spent:
    """What a measure took.

    Attributes:
        rows: Rows of features made.
        seconds: Wall time.
        cpu_seconds: Time of the processor.
        peak_gb: Largest memory of the process, in 1e9 bytes; its start included.
        start_seconds: Wall time of the first instrument, reading compiled code included.
        gb_per_s: Memory bandwidth, where that is what was measured.
        different: Columns that are not the peer's, where it was asked.
    """

    rows: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_gb: float = 0.0
    start_seconds: float = 0.0
    gb_per_s: float = 0.0
    different: int = 0


@contextmanager
def timed(spent: Spent) -> Iterator[None]:
    """Add the time of the block to `spent`."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent.seconds += time.perf_counter() - wall
    spent.cpu_seconds += time.process_time() - cpu


def draw(options: argparse.Namespace) -> Spent:
    """Draw the market into the folder, whole or not at all."""
    spent = Spent()
    parent = options.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing_", dir=parent) as name, timed(spent):
        drawn = Path(name) / "market"
        bars = draw_bars(
            options.names, options.sessions, ParquetFrameStore(drawn / LAKE), TAIL_SESSIONS
        )
        orders = {BARS: KEY, BARS_BY_SESSION: SESSION_SYMBOL}
        for file_name, key in orders.items():
            path = drawn / file_name
            bars.sort(key).write_parquet(path, compression="zstd", compression_level=1)
        drawn.rename(options.folder)
    spent.rows = bars.height
    return spent


def compute(options: argparse.Namespace) -> Spent:
    """From bars in memory to features, a chunk of instruments after the other, in one buffer."""
    spent, start = Spent(), Spent()
    bars = _bars_of(options.folder, options.names)
    chunks = list(_chunks(bars))
    # Not zeros: their pages would be touched first within the time.
    buffer = np.ones(FEATURES_A_BAR * max(chunk.height for chunk in chunks), dtype=np.float32)
    with timed(start):
        _compute_rows(place_rows(chunks[0].slice(0, 1)), buffer)
    # As from a file, the next chunk is got ready while one is computed.
    with timed(spent), ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(place_rows, chunks[0])
        for later in [*chunks[1:], None]:
            rows = coming.result()
            if later is not None:
                coming = ahead.submit(place_rows, later)
            spent.rows += _compute_rows(rows, buffer).shape[1]
    spent.start_seconds = start.seconds
    return spent


def parquet(options: argparse.Namespace) -> Spent:
    """From a file of bars to a file of features, as `tradegraph features compute` does it."""
    spent = Spent()
    bars = options.folder / (BARS_BY_SESSION if options.by_session else BARS)
    with tempfile.TemporaryDirectory(prefix=".features_", dir=options.folder.parent) as name:
        out = Path(name) / "features.parquet"
        with timed(spent):
            made = bar_file_to_features(bars, out, load_feature_set("alpha158"), threads=THREADS)
        if pl.scan_parquet(out).select(pl.len()).collect().item() != made.rows:
            raise SystemExit(f"{out} does not hold the {made.rows} rows of {bars}")
    spent.rows = made.rows
    return spent


def session(options: argparse.Namespace) -> Spent:
    """The asset's step for one session of a lake that holds what its windows read."""
    spent = Spent()
    alpha158 = load_feature_set("alpha158")
    day = MARKET.calendar.shift(NEWEST, -options.back)
    first = MARKET.calendar.trailing(NEWEST, options.sessions)[0]
    ws = Workspace(MARKET, ParquetFrameStore(options.folder), first)
    with timed(spent):
        report = compute_features(ws, alpha158, [day], threads=THREADS)
    if report.withheld:
        raise SystemExit(f"withheld: {report.withheld}")
    spent.rows = sum(one.rows for one in report.written)
    return spent


def bandwidth(options: argparse.Namespace) -> Spent:
    """The better of copying and of adding two arrays into a third, with all threads."""
    arrays = [np.ones((3, BANDWIDTH_VALUES // THREADS)) for _ in range(THREADS)]

    def copy(array: np.ndarray) -> None:
        np.copyto(array[0], array[1])

    def add(array: np.ndarray) -> None:
        np.add(array[1], array[2], out=array[0])

    spent = Spent()
    with ThreadPoolExecutor(THREADS) as pool:
        for work, passes in ((copy, 2), (add, 3)):
            for _ in range(BANDWIDTH_TRIES):
                before = time.perf_counter()
                list(pool.map(work, arrays))
                seconds = time.perf_counter() - before
                moved = passes * arrays[0][0].nbytes * THREADS
                spent.gb_per_s = max(spent.gb_per_s, moved / seconds / 1e9)
    return spent


def peer(options: argparse.Namespace) -> Spent:
    """Qlib on the first instruments; with `--compare` its columns beside ours."""
    bars = _bars_of(options.folder, options.names)
    values = "values" if options.compare else None
    with tempfile.TemporaryDirectory(prefix="qlib_peer_") as name:
        folder = Path(name) / "qlib"
        write_peer_folder(bars, folder)
        run = run_peer(options.peer, folder, options.workers, values)
        spent = Spent(run.rows, run.seconds, run.cpu_seconds, run.peak_gb)
        if values:
            found = differences(bars, own_values(bars), read_peer_values(folder, values, bars))
            spent.different = sum(one.counts for one in found)
            sys.stderr.writelines(f"{one}\n" for one in found)
    return spent


MEASURES: dict[str, Callable[[argparse.Namespace], Spent]] = {
    one.__name__: one for one in (draw, compute, parquet, session, bandwidth, peer)
}


def main() -> None:
    """Run one measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=2430)
    parser.add_argument("--by-session", action="store_true", help="the file's order")
    parser.add_argument("--back", type=int, default=0, help="sessions before the newest")
    parser.add_argument("--peer", type=Path, help="interpreter that has qlib")
    parser.add_argument("--workers", type=int, default=1, help="of qlib")
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()
    spent = MEASURES[options.measure](options)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    spent.peak_gb = spent.peak_gb or own
    sys.stdout.write(json.dumps(asdict(spent)) + "\n")


def _bars_of(folder: Path, names: int) -> pl.DataFrame:
    """Bars of the first instruments."""
    lazy = pl.scan_parquet(folder / BARS)
    symbols = lazy.select(pl.col("symbol").unique().sort()).collect().to_series()
    if names < len(symbols):
        lazy = lazy.filter(pl.col("symbol") < symbols[names])
    return lazy.collect()


def _chunks(bars: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Views of whole instruments, as many as fit."""
    start = rows = 0
    for length in bars.get_column("symbol").rle().struct.field("len"):
        if rows and rows + length > CHUNK_ROWS:
            yield bars.slice(start, rows)
            start, rows = start + rows, 0
        rows += length
    yield bars.slice(start)


def _compute_rows(rows: PlacedRows, buffer: np.ndarray) -> np.ndarray:
    count = len(rows.target)
    columns = buffer[: FEATURES_A_BAR * count].reshape(FEATURES_A_BAR, count)
    rows_to_columns(rows, load_feature_set("alpha158"), columns, threads=THREADS)
    return columns


if __name__ == "__main__":
    main()
