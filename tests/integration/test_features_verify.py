"""A restated bar is found and named by the asset check and by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from tests.support.deployment import FIRST, Deployment, deployment
from tradegraph_dagster.cli import features_verify
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.jobs import job_name

# As many as the check looks at.
SESSIONS = 5


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path, faults=[]) as made:
        days = made.sessions[:SESSIONS]
        assert days[0] == FIRST
        made.run_ok("bars", days)
        made.run_ok("features", days)
        yield made


@pytest.fixture
def command(on: Deployment, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setattr(features_verify, "chosen_desks", lambda market: {market or "cn": on.desk})
    app = typer.Typer()
    app.command()(features_verify.verify)
    return app


def _restate(on: Deployment, at: int) -> str:
    """Another high for one name that traded; its symbol."""
    day, store = on.sessions[at], on.desk.workspace.store
    bars = store.read(VALIDATED_BARS, [day])
    symbol = bars.filter(~pl.col("is_suspended"))["symbol"][0]
    high = pl.when(pl.col("symbol") == symbol).then(pl.col("high") * 1.01).otherwise("high")
    store.write(VALIDATED_BARS, day, bars.with_columns(high=high))
    return str(symbol)


def _check(on: Deployment, at: int) -> dg.AssetCheckEvaluation:
    """Make the features of one session again; what the check says then."""
    result = on.run("features", [on.sessions[at]])
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    return next(one for one in evaluations if one.check_name == "features_as_recomputed")


def _check_alone(on: Deployment, session: date) -> dg.AssetCheckEvaluation:
    """What the check says of a session, without making its features."""
    check = dg.AssetCheckKey(on.definitions_key("features"), "features_as_recomputed")
    job = on.definitions.resolve_job_def(job_name("cn", "features"))
    alone = job.get_subset(asset_selection=set(), asset_check_selection={check})
    result = alone.execute_in_process(instance=on.instance, partition_key=session.isoformat())
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_the_check_passes_on_a_fresh_lake_and_names_a_restated_bar(on: Deployment) -> None:
    assert _check(on, SESSIONS - 1).passed
    symbol = _restate(on, SESSIONS - 2)
    found = _check(on, SESSIONS - 1)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    first = str(found.metadata["first"].value)
    assert f"{on.sessions[SESSIONS - 2]} input_changed" in first
    assert f"{on.sessions[SESSIONS - 2]} {symbol} high was" in first


def test_the_command_says_what_differs_and_by_its_exit_status(
    on: Deployment, command: typer.Typer
) -> None:
    fine = CliRunner().invoke(command, ["--market", "cn"])
    assert (fine.exit_code, fine.stdout.strip()) == (
        0,
        f"cn: {SESSIONS} sessions verified, 0 differ",
    )
    symbol = _restate(on, 3)
    day = str(on.sessions[3])
    found = CliRunner().invoke(command, ["--from", day, "--to", day, "--json"])
    assert found.exit_code == 1
    ((verdict,),) = json.loads(found.stdout).values()
    assert (verdict["session"], verdict["outcome"]) == (day, "input_changed")
    (one,) = verdict["differences"]
    assert (one["symbol"], one["inputs"][0]["field"]) == (symbol, "high")
    words = CliRunner().invoke(command, ["--session", day])
    assert f"{symbol} " in words.stdout
    assert "1 differ" in words.stdout


def test_sessions_without_features_are_refused(on: Deployment, command: typer.Typer) -> None:
    asked = CliRunner().invoke(command, ["--session", "2023-06-01"])
    assert asked.exit_code == 1
    assert "no features are stored from 2023-06-01" in asked.stderr
    both = CliRunner().invoke(command, ["--session", "2023-06-01", "--to", "2023-06-02"])
    assert "found --session with --from or --to" in both.stderr


def test_a_lake_without_features_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(tmp_path, faults=[]) as empty:
        monkeypatch.setattr(features_verify, "chosen_desks", lambda _: {"cn": empty.desk})
        app = typer.Typer()
        app.command()(features_verify.verify)
        words = CliRunner().invoke(app, [])
        as_json = CliRunner().invoke(app, ["--json"])
    assert (words.exit_code, words.stdout) == (1, "")
    assert words.stderr == "cn: no features are stored; materialise them first\n"
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (1, {"cn": []})


def test_the_check_fails_where_the_session_of_the_run_is_not_stored(on: Deployment) -> None:
    day = on.sessions[SESSIONS - 1]
    on.desk.workspace.store.remove(FEATURES, day)
    found = _check_alone(on, day)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.description == f"no features of {day} are stored"
    assert str(on.sessions[0]) in str(found.metadata["sessions"].value)


def test_features_that_name_no_version_are_told_apart(on: Deployment, command: typer.Typer) -> None:
    day = on.sessions[0]
    features = on.desk.workspace.store.read(on.desk.feature_set.schema, [day])
    features.write_parquet(on.settings.lake_dir / "cn" / FEATURES / f"{day}.parquet")
    found = CliRunner().invoke(command, ["--session", str(day)])
    assert found.exit_code == 1
    assert f"{day} other_set" in found.stdout
    assert "backfill --remake" in found.stdout
