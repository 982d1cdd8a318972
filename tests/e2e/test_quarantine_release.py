"""From a quarantined bar to a validated one: a person's word, the audit chain, the gates again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.deployment import Deployment, deployment
from tradegraph_dagster.cli import quarantine
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.monitoring.readiness import READINESS
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, VALIDATED_BARS

BAD = date(2023, 2, 15)
SPAN = (date(2023, 1, 3), date(2023, 2, 17))


def _a_name(on: Deployment) -> str:
    bars = on.desk.bar_sources.sources[0].bars([BAD])
    return str(bars.filter(~pl.col("is_suspended"))["symbol"][5])


def test_release(tmp_path: Path) -> None:
    with deployment(tmp_path / "look") as clean:
        name = _a_name(clean)
    with deployment(tmp_path, faults=(("unit_x100", BAD, name),)) as on:
        sessions = on.calendar.between(*SPAN)
        on.run_ok("bars", sessions)
        store = on.desk.workspace.store
        rows = quarantine.quarantined(on.desk, 60)
        assert (BAD, name) in {(row["session"], row["symbol"]) for row in rows}
        assert name not in store.read(VALIDATED_BARS, [BAD])["symbol"]

        quarantine.record(on.desk, BAD, name, reason="a split nobody announced", actor="ann")
        on.run_ok("gates", [BAD])
        on.run_ok("readiness", [BAD])

        assert name in store.read(VALIDATED_BARS, [BAD])["symbol"]
        found = store.read(BAR_FINDINGS, [BAD]).filter(pl.col("symbol") == name)
        assert found["found"].str.contains("released by ann: a split nobody announced").any()
        assert store.read(READINESS, [BAD]).item(0, "overall_state") == "ready"
        assert "quarantine_released" in [entry.event for entry in on.desk.audit.entries()]
        with pytest.raises(MissingSession, match="not quarantined"):
            quarantine.record(on.desk, BAD, name, reason="again", actor="ann")
