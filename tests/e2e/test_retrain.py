"""Another feature set in a deployment that has history: what is refused, and what mends it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from tests.support.deployment import FIRST, LAST, TRAINING_FIRST, Deployment
from tradegraph_dagster.cli.day import backfill_span
from tradegraph_dagster.cli.runs import Runner
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS
from tradegraph_dagster.settings import Settings, dbt_environment

MONTHS = (date(2023, 9, 1), date(2023, 10, 1))
OTHER = "alpha158_fixed"


@pytest.fixture
def other_set(researched: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of a researched deployment, configured for another feature set."""
    shutil.copytree(researched.settings.root, tmp_path / "copy")
    content = researched.settings.model_dump(mode="python") | {"data_dir": str(tmp_path / "copy")}
    content["markets"]["cn"]["features"] = OTHER
    settings = Settings.model_validate(content)
    for name in ("DAGSTER_HOME", *dbt_environment(settings)):
        monkeypatch.setenv(name, str(tmp_path))
    return settings


def test_models_are_trained_again_on_another_feature_set(other_set: Settings) -> None:
    with Runner(other_set) as runner:
        desk = runner.desks["cn"]
        store, sessions = desk.workspace.store, desk.market.calendar.between(TRAINING_FIRST, LAST)
        before = {day: store.fingerprint(FORECASTS.name, day) for day in sessions}
        first = backfill_span(runner, "cn", (FIRST, LAST), remake=True)
        assert (first["months"], first["signals"]) == (0, len(sessions))
        words = "\n".join(first["problems"])
        assert f"found {OTHER}-" in words
        assert "`tradegraph backfill --retrain` from 2023-09-01" in words
        assert {day: store.fingerprint(FORECASTS.name, day) for day in sessions} == before

        done = backfill_span(runner, "cn", (TRAINING_FIRST, LAST), retrain=True)
        assert (done["problems"], done["months"], done["signals"]) == ([], 2, len(sessions))
        trained = store.read(CANDIDATE_MODEL, MONTHS)
        assert set(trained["feature_set_version"]) == {desk.feature_set.version}
        scored = store.read(FORECASTS, sessions)
        assert set(scored["model_version"]) == set(trained["model_version"])
        assert store.partitions(TARGET_WEIGHTS.name) == set(sessions)
