"""A deployment with two sources, the preferred one of which has nothing to give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from tests.support.deployment import Deployment, small_settings
from tests.support.make_bars import weekdays
from tests.support.make_market_data import make_instruments_of, make_raw_bars, make_workspace
from tests.support.make_panel import SwitchedSource, watched
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.cli import doctor
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions
from tradegraph_dagster.domain.market_data.health import DataKind
from tradegraph_dagster.domain.market_data.schema import RAW_BARS, VENDOR_FINDINGS
from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
from tradegraph_dagster.domain.quality.schema import QUARANTINED_BARS, VALIDATED_BARS
from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy
from tradegraph_dagster.resources.desk import Desks
from tradegraph_dagster.settings import PROJECT_ROOT, Settings

NOW = datetime.fromisoformat("2024-06-03T10:00:00+00:00")


def two_sources(folder: Path) -> Settings:
    """Files that nobody has delivered are preferred to the synthetic exchange."""
    content = small_settings(folder / "data").model_dump(mode="python")
    (folder / "vendor").mkdir()
    mapping = PROJECT_ROOT / "config" / "mappings" / "baostock.yaml"
    files = {"folder": str(folder / "vendor"), "mapping": str(mapping)}
    content["markets"]["cn"]["sources"].insert(0, {"kind": "files", "options": files})
    return Settings.model_validate(content)


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Deployment]:
    settings = two_sources(tmp_path)
    desks = Desks(settings, FixedClock(NOW))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Deployment(settings, desks, build_definitions(settings, desks), instance)


def metadata(on: Deployment, noun: str, session: date) -> dict[str, Any]:
    key = on.definitions_key(noun)
    records = on.instance.fetch_materializations(
        dg.AssetRecordsFilter(key, asset_partitions=[session.isoformat()]), limit=1
    ).records
    materialization = records[0].asset_materialization
    return {name: value.value for name, value in materialization.metadata.items()}


def test_a_run_succeeds_from_the_second_source_and_says_so(on: Deployment) -> None:
    days = on.sessions[:3]
    on.run_ok("bars", days)
    stored = on.desk.workspace.store.read(RAW_BARS, days)
    assert stored.get_column("source").unique().to_list() == ["synthetic"]
    assert on.desk.workspace.store.read(VENDOR_FINDINGS, days).is_empty()
    for noun in ("instruments", "raw_bars", "corporate_actions"):
        facts = metadata(on, noun, days[0])
        assert facts["source"] == "synthetic"
        assert facts["failed_over_from"].startswith("baostock: SourceUnavailable")
    health = on.desk.source_watch.book.read(DataKind.BARS)
    assert health["baostock"].consecutive_failures == 1
    assert health["synthetic"].success == 1.0


def test_the_breaker_outlives_the_process_and_is_shown(
    on: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in on.sessions[:5]:
        on.run_ok("bars", [day])
    on.run_ok("bars", [on.sessions[5]])
    facts = metadata(on, "raw_bars", on.sessions[5])
    assert "left alone until 2024-06-03T10:15:00" in facts["failed_over_from"]

    monkeypatch.setattr(doctor, "prepare_process", lambda settings: None)
    monkeypatch.setattr(doctor, "Desks", lambda settings: Desks(settings, FixedClock(NOW)))
    answers = {row["question"]: row for row in doctor.examine(on.settings)}
    assert answers["cn source"]["ok"]
    assert "baostock bars: open" in answers["cn source"]["answer"]
    assert "synthetic bars: closed" in answers["cn source"]["answer"]

    later = Desks(on.settings, FixedClock(NOW + timedelta(minutes=15)))["cn"]
    names = [source.name for source in later.bar_sources.sources]
    assert later.source_watch.route(names, DataKind.BARS).order == ("baostock", "synthetic")


def test_the_command_shows_every_source(
    on: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on.run_ok("bars", on.sessions[:1])
    file = tmp_path / "demo.yaml"
    content = on.settings.model_dump(mode="python")
    for market in content["markets"].values():
        market["mode"] = str(market["mode"])
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setenv("TRADEGRAPH_CONFIG", str(file))
    monkeypatch.setattr("tradegraph_dagster.cli.desks.prepare_process", lambda settings: None)
    printed = CliRunner().invoke(app, ["sources", "list", "--json"])
    assert printed.exit_code == 0, printed.output
    rows = {(row["source"], row["data"]): row for row in json.loads(printed.output)}
    assert len(rows) == 6
    assert rows["baostock", "bars"]["consecutive_failures"] == 1
    assert rows["synthetic", "bars"]["breaker"] == "closed"
    table = CliRunner().invoke(app, ["sources"])
    assert table.exit_code == 0
    assert "baostock bars: SourceUnavailable" in table.output


def test_a_price_in_doubt_never_reaches_the_validated_bars() -> None:
    days = weekdays(6)
    symbols = tuple(f"{600_000 + number}.SH" for number in range(30))
    bars = make_raw_bars(days, symbols)
    wrong = (pl.col("session") == days[-1]) & (pl.col("symbol") == symbols[7])
    other = bars.with_columns(pl.when(wrong).then(pl.col("close") + 0.02).otherwise("close"))
    panel = watched(
        SwitchedSource(make_instruments_of(bars), bars, name="first"),
        SwitchedSource(make_instruments_of(other), other, name="second"),
        cross_check_symbols=30,
    )
    ws = make_workspace(days[0])
    ingest_instruments(ws, panel, days, latest_closed=days[-1])
    ingest_bars(ws, panel, days, latest_closed=days[-1])
    for day in days:
        ws.store.write(CORPORATE_ACTIONS, day, CORPORATE_ACTIONS.empty())
    adjust_sessions(ws, days)
    find_faults(ws, None, days)
    report = validate_sessions(ws, days, QualityPolicy())
    assert not report.withheld
    validated = ws.store.read(VALIDATED_BARS, [days[-1]])
    assert set(symbols) - set(validated.get_column("symbol")) == {symbols[7]}
    taken_out = ws.store.read(QUARANTINED_BARS, [days[-1]])
    assert taken_out.select("symbol", "reason").rows() == [(symbols[7], "source_agreement")]


def test_a_corrected_bar_is_not_judged_as_it_was_before(on: Deployment) -> None:
    """Raw bars again and then the gates alone: the old price must not come back by that way."""
    days, store = on.sessions[:4], on.desk.workspace.store
    on.run_ok("bars", days)
    true = store.read(RAW_BARS, [days[1]])
    first = pl.col("symbol") == true["symbol"][0]
    store.write(
        RAW_BARS,
        days[1],
        true.with_columns(
            close=pl.when(first).then(pl.col("low")).otherwise("close"),
            known_at=pl.col("known_at") - timedelta(minutes=5),
        ),
    )
    on.run_ok("intake", [days[1]])
    assert store.partitions("adjusted_bars") == {days[0]}
    assert store.partitions(VALIDATED_BARS.name) == {days[0]}
    assert not on.run("gates", [days[1]]).success
    on.run_ok("bars", days)
    assert store.read(VALIDATED_BARS, [days[1]])["raw_close"].equals(true["close"])
