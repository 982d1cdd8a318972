"""A kernel that cannot be compiled runs as it is written, and says so."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tradegraph_dagster.domain.features.compiled import compiled


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
