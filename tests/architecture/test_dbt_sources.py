"""The dbt sources are the frame schemas, and the staging views are the sources."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tradegraph_dagster.domain.markets.catalogue import market_names

ROOT = Path(__file__).resolve().parents[2]
DBT = ROOT / "dbt"


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    path = ROOT / "scripts" / "write_dbt_sources.py"
    spec = importlib.util.spec_from_file_location("write_dbt_sources", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sources_agree_with_the_schemas(writer: ModuleType) -> None:
    assert (DBT / "models" / "sources.yml").read_text(encoding="utf-8") == writer.sources_yaml(), (
        "run scripts/write_dbt_sources.py"
    )


def test_every_source_table_has_its_staging_view(writer: ModuleType) -> None:
    views = {path.stem for path in (DBT / "models" / "staging").glob("*.sql")}
    assert views == {f"stg_{table}" for table in writer.TABLES}


def test_source_tables_name_the_assets_that_write_them(writer: ModuleType) -> None:
    content = yaml.safe_load(writer.sources_yaml())
    for source in content["sources"]:
        for table in source["tables"]:
            key = table["config"]["meta"]["dagster"]["asset_key"]
            assert key == [source["name"], table["name"]]


def test_dbt_knows_the_markets_of_the_book() -> None:
    project = yaml.safe_load((DBT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert sorted(project["vars"]["markets"]) == list(market_names())


def test_no_packages_are_fetched() -> None:
    assert not (DBT / "packages.yml").exists()
    assert not (DBT / "dependencies.yml").exists()
