"""Whoever reads stored events reads the versions in force, not every version."""

from __future__ import annotations

from pathlib import Path

import tradegraph_dagster

PACKAGE = Path(tradegraph_dagster.__file__).parent


def test_every_reader_of_events_takes_those_in_force() -> None:
    readers = {
        path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
        if "read(CORPORATE_ACTIONS" in path.read_text(encoding="utf-8")
    }
    assert "adapters/simulated/broker.py" in readers
    assert [name for name, text in readers.items() if "events_in_force(" not in text] == []
