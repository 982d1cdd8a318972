"""Compares our Alpha158 with qlib's, column by column on the same bars, and times qlib.

    python -m benchmarks.qlib_peer --python .venv-qlib/bin/python

1. Bars are drawn and spoilt (suspensions, short listings, flat stretches, zero volume, ties, ...);
   real bars are read where they are.
2. Each is written in qlib's format; qlib computes its 158 expressions, with one worker and two.
3. Every cell is compared. A difference is listed by column and ends the program with 1.

A cell differs if only one side has a finite value (qlib divides by rounding noise where a window
holds one value, and gives infinite or missing), or by more than 1e-6 of the value plus 1e-7.

Qlib keeps running sums of squares, so that a nearly flat window can lose its digits (an R squared
of 1.0000016). Where the definition worked out for that window alone gives our value, the cell is
listed as qlib's rounding; more than a handful of those in a column are a difference after all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.feature_bars import KEY, draw_bars, real_bars, spoil_bars
from tests.support.alpha158_oracle import alpha158_oracle
from tradegraph_dagster.adapters.parquet.feature_file import bar_file_to_features
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.schema import BAR_FIELDS

RELATIVE = 1e-6
ABSOLUTE = 1e-7
# Cells of a column and a table that may be qlib's rounding.
ROUNDED_CELLS = 5
WORKERS = (1, 2)
PROCESS = Path(__file__).with_name("qlib_process.py")


@dataclass(frozen=True)
class PeerRun:
    """What qlib took for one table, imports and set-up left out.

    Attributes:
        names: Its columns in its order, lower case.
        rows: Rows it made.
        seconds: Wall time of its one call.
        cpu_seconds: Of the processor, workers included.
        peak_gb: Largest memory of its process plus that of its largest worker.
        versions: Of its packages.
    """

    names: list[str]
    rows: int
    seconds: float
    cpu_seconds: float
    peak_gb: float
    versions: dict[str, str]


@dataclass(frozen=True)
class Difference:
    """Cells of one column that are not the same.

    Attributes:
        column: Its name.
        cells: How many.
        only_one: Of these, where only one side has a value.
        rounded: Of all, where the definition gives our value: qlib's rounding.
        symbol: Where the first one is, of those that are not qlib's rounding if there are any.
        session: As above.
        ours: Our value there.
        theirs: Qlib's.
    """

    column: str
    cells: int
    only_one: int
    rounded: int
    symbol: str
    session: date
    ours: float
    theirs: float

    @property
    def counts(self) -> bool:
        """Whether the column is different, and not by a few cells of qlib's rounding."""
        return self.rounded < self.cells or self.cells > ROUNDED_CELLS

    def __str__(self) -> str:
        return (
            f"  {self.column}: {self.cells} cells, {self.only_one} with a value on one side only, "
            f"{self.rounded} of them qlib's rounding; "
            f"first {self.symbol} {self.session}: ours {self.ours:.9g}, qlib {self.theirs:.9g}"
        )


def write_peer_folder(bars: pl.DataFrame, folder: Path) -> None:
    """Write bars as qlib stores them: a calendar, a list of spans, and float32 values a field.

    A field's file is its first place in the calendar, then one value a session, little-endian.
    """
    sessions = bars.get_column("session").unique().sort()
    for name in ("calendars", "instruments"):
        (folder / name).mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("\n".join(map(str, sessions)) + "\n")
    spans = []
    for part in bars.partition_by("symbol", maintain_order=True):
        symbol, first = part.item(0, "symbol"), part.item(0, "session")
        spans.append(f"{symbol}\t{first}\t{part.item(-1, 'session')}\n")
        values = folder / "features" / symbol.lower()
        values.mkdir(parents=True)
        place = sessions.search_sorted(first)
        for name in BAR_FIELDS:
            column = part.get_column(name).to_numpy()
            np.concatenate([[place], column]).astype("<f4").tofile(values / f"{name}.day.bin")
    (folder / "instruments" / "all.txt").write_text("".join(spans))


def run_peer(python: Path, folder: Path, workers: int, values: str | None = None) -> PeerRun:
    """Let qlib compute a folder; with `values` its columns are kept there under that name.

    Raises:
        SystemExit: It failed; its own message is above.
    """
    arguments = [str(folder), "--kernels", str(workers)]
    if values is not None:
        arguments += ["--values", values]
    done = subprocess.run(
        # Not resolved: the interpreter of an environment is a link to another one's.
        [python.absolute(), "-I", PROCESS, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"qlib ended with {done.returncode}")
    return PeerRun(**json.loads(done.stdout.splitlines()[-1]))


def read_peer_values(folder: Path, values: str, bars: pl.DataFrame) -> np.ndarray:
    """Qlib's columns, shape (rows of `bars`, 158), checked to be of the same rows.

    Raises:
        SystemExit: It made other rows.
    """
    with np.load(folder / f"{values}_rows.npz") as rows:
        is_same = np.array_equal(rows["symbol"], bars.get_column("symbol").to_numpy().astype(str))
        is_same &= np.array_equal(rows["session"], bars.get_column("session").to_numpy())
    if not is_same:
        raise SystemExit("qlib made other rows than there are bars")
    return np.asarray(np.load(folder / f"{values}.npy"))


def own_values(bars: pl.DataFrame) -> np.ndarray:
    """Our columns, shape (rows of `bars`, 158), as the command computes them from a file."""
    with tempfile.TemporaryDirectory(prefix="own_features_") as name:
        source, out = Path(name) / "bars.parquet", Path(name) / "features.parquet"
        bars.write_parquet(source)
        alpha158 = load_feature_set("alpha158")
        bar_file_to_features(source, out, alpha158, threads=WORKERS[-1], is_adjusted=True)
        return pl.read_parquet(out, columns=list(alpha158.definitions)).to_numpy()


def differences(bars: pl.DataFrame, ours: np.ndarray, theirs: np.ndarray) -> list[Difference]:
    """What differs, a column each; both sides have a row for each of `bars`."""
    names = list(load_feature_set("alpha158").definitions)
    found = []
    for number, name in enumerate(names):
        own, peer = ours[:, number], theirs[:, number]
        cells = np.flatnonzero(_differ(own, peer))
        if not cells.size:
            continue
        is_rounded = ~_differ(own[cells], _by_definition(bars, name, cells))
        first = int(cells[np.argmin(is_rounded)])
        symbol, session = bars.select(KEY).row(first)
        found.append(
            Difference(
                name,
                cells.size,
                int((np.isfinite(own) != np.isfinite(peer)).sum()),
                int(is_rounded.sum()),
                symbol,
                session,
                float(own[first]),
                float(peer[first]),
            )
        )
    return found


def _differ(own: np.ndarray, peer: np.ndarray) -> np.ndarray:
    has_own, has_peer = np.isfinite(own), np.isfinite(peer)
    with np.errstate(invalid="ignore"):
        gap = np.abs(own.astype(np.float64) - peer)
        is_far = gap > ABSOLUTE + RELATIVE * np.abs(peer)
    return np.asarray(np.where(has_own & has_peer, is_far, has_own != has_peer))


def _by_definition(bars: pl.DataFrame, name: str, cells: np.ndarray) -> np.ndarray:
    """A column at some rows of `bars`, each window worked out by itself."""
    symbols = bars.get_column("symbol").to_numpy()
    found = np.empty(len(cells))
    for symbol in np.unique(symbols[cells]):
        start, stop = np.searchsorted(symbols, symbol), np.searchsorted(symbols, symbol, "right")
        fields = {one: bars.get_column(one)[start:stop].to_numpy() for one in BAR_FIELDS}
        is_here = symbols[cells] == symbol
        found[is_here] = alpha158_oracle(fields)[name][cells[is_here] - start]
    return found


def compare(python: Path, label: str, bars: pl.DataFrame) -> tuple[list[Difference], list[PeerRun]]:
    """Run qlib on `bars` with each number of workers, and compare what it made with ours."""
    with tempfile.TemporaryDirectory(prefix="qlib_peer_") as name:
        folder = Path(name)
        write_peer_folder(bars, folder)
        runs = [run_peer(python, folder, workers, "values") for workers in WORKERS]
        theirs = read_peer_values(folder, "values", bars)
    definitions = list(load_feature_set("alpha158").definitions)
    if runs[0].names != definitions:
        raise SystemExit(f"qlib's names are others: {set(runs[0].names) ^ set(definitions)}")
    found = differences(bars, own_values(bars), theirs)
    for workers, run in zip(WORKERS, runs, strict=True):
        sys.stdout.write(
            f"{label:<20} qlib, {workers} worker(s): {run.rows:>9,} rows {run.seconds:7.2f} s wall "
            f"{run.cpu_seconds:7.2f} s cpu {run.peak_gb:5.2f} GB\n"
        )
    same = len(definitions) - sum(one.counts for one in found)
    sys.stdout.write(f"{label:<20} {same} of {len(definitions)} columns equal\n")
    sys.stdout.writelines(f"{one}\n" for one in found)
    sys.stdout.flush()
    return found, runs


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare on drawn and on real bars; the last line is the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(".venv-qlib/bin/python"))
    parser.add_argument("--names", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=600)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args(arguments)
    tables = {"drawn": spoil_bars(draw_bars(options.names, options.sessions))}
    tables |= dict(real_bars(options.data))
    if len(tables) == 1:
        sys.stdout.write(f"no real bars at {options.data}: drawn bars only\n")
    made = {label: compare(options.python, label, bars) for label, bars in tables.items()}
    different = sorted({one.column for found, _ in made.values() for one in found if one.counts})
    rows = sum(runs[0].rows for _, runs in made.values())
    speeds = (
        f"qlib_rows_per_s_{workers}={rows / sum(runs[at].seconds for _, runs in made.values()):.0f}"
        for at, workers in enumerate(WORKERS)
    )
    sys.stdout.write(
        f"columns=158 different={len(different)} tables={len(tables)} rows={rows} "
        f"{' '.join(speeds)}\n"
    )
    if different:
        raise SystemExit(f"columns that differ: {', '.join(different)}")


if __name__ == "__main__":
    main()
