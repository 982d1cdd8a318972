"""Computes Alpha158 with qlib, in qlib's own environment, and times it.

Started by `benchmarks.qlib_peer` under another interpreter: it imports nothing of the project.

    .venv-qlib/bin/python -I benchmarks/qlib_process.py FOLDER --kernels 1 [--values NAME]

FOLDER holds `calendars/`, `instruments/` and `features/` in qlib's format. One JSON line is the
answer; with `--values` the float32 columns go to FOLDER/NAME.npy, sorted by instrument and day.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import qlib
from qlib.contrib.data.loader import Alpha158DL
from qlib.data import D

PRICES = {"windows": [0], "feature": ["OPEN", "HIGH", "LOW", "VWAP"]}


def cpu_seconds() -> float:
    """Processor time of this process and of the workers it has waited for."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_gb() -> float:
    """Largest memory of this process and of its largest worker, in GB."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in kinds) * 1024 / 1e9


def main() -> None:
    """Compute, time and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kernels", type=int, required=True)
    parser.add_argument("--values")
    options = parser.parse_args()
    qlib.init(
        provider_uri=str(options.folder.resolve()),
        region="cn",
        kernels=options.kernels,
        logging_level="ERROR",
    )
    expressions, names = Alpha158DL.get_feature_config({"kbar": {}, "price": PRICES, "rolling": {}})
    days = D.calendar(freq="day")
    before, cpu_before = time.perf_counter(), cpu_seconds()
    table = D.features(
        D.instruments("all"), expressions, start_time=days[0], end_time=days[-1], freq="day"
    )
    seconds, cpu = time.perf_counter() - before, cpu_seconds() - cpu_before
    peak = peak_gb()
    if options.values:
        table = table.sort_index()
        np.save(options.folder / f"{options.values}.npy", table.to_numpy(dtype=np.float32))
        np.savez(
            options.folder / f"{options.values}_rows.npz",
            symbol=table.index.get_level_values(0).to_numpy().astype(str),
            session=table.index.get_level_values(1).to_numpy().astype("datetime64[D]"),
        )
    answer = {
        "names": [name.lower() for name in names],
        "rows": len(table),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_gb": peak,
        "versions": {name: version(name) for name in ("pyqlib", "pandas", "numpy")},
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
