"""From a quarantined bar to a validated one: a person's word, the audit chain, the gates again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from tests.support.deployment import Deployment, deployment
from tradegraph_dagster.cli import quarantine
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frame_store import FrameStore
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.monitoring.schema import READINESS
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, VALIDATED_BARS
from tradegraph_dagster.domain.universe.schema import UNIVERSE
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.settings import PROJECT_ROOT, load_settings

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


def test_an_operator_releases_a_bar_and_makes_again_what_was_computed_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(tmp_path / "look", names=30, seed=5) as clean:
        name = _a_name(clean)
    content = yaml.safe_load((PROJECT_ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    cn = content["markets"]["cn"] | {"history_first": SPAN[0], "history_last": SPAN[1]}
    cn["sources"][0]["options"] |= {"names": 30, "seed": 5, "first": SPAN[0], "last": SPAN[1]}
    cn["sources"][0]["options"]["faults"] = [["unit_x100", BAD, name]]
    content |= {"data_dir": str(tmp_path / "data"), "markets": {"cn": cn}}
    (tmp_path / "demo.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setenv("TRADEGRAPH_CONFIG", str(tmp_path / "demo.yaml"))
    store = Desks(load_settings())["cn"].workspace.store

    def tradegraph(*command: str) -> str:
        result = CliRunner().invoke(app, [*command, "-m", "cn"], env={"COLUMNS": "80"})
        assert result.exit_code == 0, result.output
        return result.output

    tradegraph("backfill", "--from", f"{SPAN[0]}", "--to", f"{SPAN[1]}")
    listed = tradegraph("quarantine", "list")
    assert f"{BAD}" in listed
    assert name in listed
    said = tradegraph(
        *("quarantine", "release", "--session", f"{BAD}", "--symbol", name, "--reason", "a split")
    )
    assert name not in store.read(UNIVERSE, [BAD])["symbol"]
    assert _labels_sold_at_it(name, store) == [None]
    advice = next(line for line in said.splitlines() if "tradegraph backfill" in line)
    tradegraph(*advice.split("tradegraph ")[1].removesuffix(" -m cn").split())
    assert name in store.read(UNIVERSE, [BAD])["symbol"]
    assert None not in _labels_sold_at_it(name, store)


def _labels_sold_at_it(name: str, store: FrameStore) -> list[float | None]:
    """The label of two sessions before, over one session: its exit is the bad bar's close."""
    span = LabelSpan.of_horizon(1)
    bought_after = load_market("cn").calendar.shift(BAD, -span.exit)
    labels = store.read(span.table, [bought_after])
    return labels.filter(pl.col("symbol") == name)["label"].to_list()
