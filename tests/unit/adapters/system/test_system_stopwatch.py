from __future__ import annotations

import time

import pytest

from tradegraph_dagster.adapters.system.stopwatch import SystemStopwatch


def test_time_that_the_machine_slept_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", {7: 3_600.0}.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: 10.0)
    assert SystemStopwatch().seconds() == 3_600.0


def test_a_system_that_does_not_count_it_has_its_monotonic_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: 10.0)
    assert SystemStopwatch().seconds() == 10.0
