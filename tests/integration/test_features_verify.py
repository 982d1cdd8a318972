"""A restated bar is found and named by the asset check and by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
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


def test_features_that_name_no_version_are_told_apart(on: Deployment, command: typer.Typer) -> None:
    day = on.sessions[0]
    features = on.desk.workspace.store.read(on.desk.feature_set.schema, [day])
    features.write_parquet(on.settings.lake_dir / "cn" / FEATURES / f"{day}.parquet")
    found = CliRunner().invoke(command, ["--session", str(day)])
    assert found.exit_code == 1
    assert f"{day} other_set" in found.stdout
    assert "backfill --remake" in found.stdout
