"""The page is made by its own job and by the command, and the features link to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import typer
from typer.testing import CliRunner

from tests.support.deployment import NAMES, Deployment, deployment
from tradegraph_dagster.cli import features_page
from tradegraph_dagster.jobs import FEATURE_PAGE, job_name
from tradegraph_dagster.resources.desk import MarketDesk
from tradegraph_dagster.resources.feature_page import write_feature_page
from tradegraph_dagster.settings import Settings

SESSIONS = 30


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("pages")) as made:
        days = made.sessions[:SESSIONS]
        made.run_ok("bars", days)
        made.run_ok("features", days)
        yield made


def test_the_job_makes_the_page_and_the_features_link_to_it(on: Deployment) -> None:
    job = on.definitions.resolve_job_def(job_name("cn", FEATURE_PAGE))
    result = job.execute_in_process(instance=on.instance, raise_on_error=False)
    assert result.success
    (made,) = result.asset_materializations_for_node("cn__feature_page")
    path = Path(str(made.metadata["path"].value))
    assert path == on.settings.root / "feature_pages" / "cn" / "alpha158" / "index.html"
    assert made.metadata["sessions"].value == SESSIONS
    assert 'id="kmid"' in path.read_text(encoding="utf-8")
    again = on.run("features", [on.sessions[0]])
    (features,) = again.asset_materializations_for_node("cn__features")
    assert features.metadata["feature_page"] == dg.MetadataValue.path(str(path))


def test_a_correlation_needs_the_names_that_the_market_asks_for(on: Deployment) -> None:
    values = on.settings.model_dump(mode="python")
    found = {}
    for least in (2, NAMES + 1):
        values["markets"]["cn"]["training"]["min_names"] = least
        desk = MarketDesk("cn", Settings.model_validate(values), on.desk.clock)
        assert desk.workspace.store.partitions("features")
        page = write_feature_page(desk, sessions=15).path.read_text(encoding="utf-8")
        found[least] = page.count(" ± ")
    assert found[2] > found[NAMES + 1]


def test_the_command_makes_the_page_of_a_set_that_is_not_stored(
    on: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_page, "chosen_desks", lambda market: {market or "cn": on.desk})
    app = typer.Typer()
    app.command()(features_page.page)
    done = CliRunner().invoke(app, ["--set", "alpha158_fixed", "--sessions", "5"])
    assert done.exit_code == 0, done.stderr
    page = Path(done.stdout.strip())
    assert page.parent.name == "alpha158_fixed"
    assert 'id="kmid"' in page.read_text(encoding="utf-8")
    unknown = CliRunner().invoke(app, ["--set", "alpha360"])
    assert unknown.exit_code == 1
    assert "no feature set 'alpha360'" in unknown.stderr
