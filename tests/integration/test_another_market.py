"""A market is a file: with one more in the book, every part of the product takes it."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tradegraph_dagster.cli.main import app
from tradegraph_dagster.cli.runs import Runner
from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets import book
from tradegraph_dagster.jobs import BARS
from tradegraph_dagster.settings import PROJECT_ROOT, Settings, load_settings

NAME = "northern"
MARKET_FILE = f"""
from dataclasses import replace
from tradegraph_dagster.domain.markets.book import us

MARKET = replace(us.MARKET, name="{NAME}")
EXAMPLE_SYMBOLS = us.EXAMPLE_SYMBOLS
"""
SESSION = date(2010, 1, 4)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's file that trades a market which no file of the book is about, yet."""
    content = yaml.safe_load((PROJECT_ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    content["data_dir"] = str(tmp_path / "data")
    content["markets"] = {"us": content["markets"]["us"], NAME: content["markets"]["us"]}
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setenv("TRADEGRAPH_CONFIG", str(path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return path


@pytest.fixture
def settings(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings, once the market's file is in the book."""
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / f"{NAME}.py").write_text(MARKET_FILE, encoding="utf-8")
    module = f"{book.__name__}.{NAME}"
    monkeypatch.setattr(book, "__path__", [*book.__path__, str(folder)])
    # What is imported during the test is forgotten after it.
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(book, NAME, None, raising=False)
    return load_settings("demo")


def test_a_market_without_a_file_is_refused(written: Path) -> None:
    with pytest.raises(ConfigError, match=rf"changed\.yaml: markets: .*'{NAME}', allowed: cn, us"):
        load_settings("demo")


def test_it_has_the_graph_jobs_schedules_and_sensors_of_every_market(settings: Settings) -> None:
    repository = build_definitions(settings).get_repository_def()
    assets = repository.asset_graph.get_all_asset_keys()
    names = [
        *(key.path[0] + "_" + key.path[1] for key in assets if len(key.path) == 2),
        *(job.name for job in repository.get_all_jobs()),
        *(schedule.name for schedule in repository.schedule_defs),
        *(sensor.name for sensor in repository.sensor_defs),
    ]
    own = sorted(name.removeprefix(NAME) for name in names if name.startswith(f"{NAME}_"))
    assert own == sorted(name.removeprefix("us") for name in names if name.startswith("us_"))
    assert {"_validated_bars", "_after_close", "_kill_switch"} <= set(own)


@pytest.mark.usefixtures("settings")
def test_commands_take_it() -> None:
    run = CliRunner()
    stopped = run.invoke(app, ["kill-switch", "engage", "-m", NAME, "--reason", "a test"])
    assert stopped.exit_code == 0, stopped.output
    found = json.loads(run.invoke(app, ["status", "--json"]).stdout)
    assert found[NAME]["kill_switch"] != found["us"]["kill_switch"]
    refused = run.invoke(app, ["kill-switch", "engage", "-m", "southern", "--reason", "a test"])
    assert f"allowed: {NAME}, us" in refused.stderr


def test_its_bars_go_through_the_graph(settings: Settings) -> None:
    with Runner(settings) as runner:
        outcome = runner.run(NAME, "bars", [SESSION])
        assert not outcome.problems
        lake = settings.lake_dir
        store = runner.desks[NAME].workspace.store
        assert all(SESSION in store.partitions(table) for table in BARS)
    assert [path.name for path in lake.iterdir()] == [NAME]
