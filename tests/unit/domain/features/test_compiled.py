"""A kernel that cannot be compiled runs as it is written, and says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tradegraph_dagster.domain.features.compiled import compiled
from tradegraph_dagster.settings import PROJECT_ROOT


def test_what_numba_refuses_runs_as_plain_python() -> None:
    def double(x: np.ndarray) -> np.ndarray:
        return x * {"factor": object, "two": 2}["two"]

    with pytest.warns(RuntimeWarning, match="double runs as plain Python"):
        kernel = compiled("f8[::1](f8[::1])")(double)
    assert kernel is double
    assert kernel(np.array([1.0])).tolist() == [2.0]


def test_without_numba_kernels_run_as_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def total(x: np.ndarray) -> float:
        return float(x.sum())

    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.warns(RuntimeWarning, match="ImportError|ModuleNotFoundError"):
        assert compiled("f8(f8[::1])")(total) is total


MODULE = """
from tradegraph_dagster.domain.features.compiled import compiled

@compiled("f8(f8)")
def double(x):
    return 2.0 * x
"""
PROGRAM = "import kernel; assert hasattr(kernel.double, 'py_func'); print(kernel.double(1.0))"


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_torn_cache_is_passed_over(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "kernel.py").write_text(MODULE)

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env={"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(PROJECT_ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run()
    torn = sorted(tmp_path.rglob(f"kernel.double*{suffix}"))
    assert torn
    for path in torn:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert run() == first == "2.0\n"
