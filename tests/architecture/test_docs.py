"""Docs cannot drift: generated pages match, links resolve, every stage has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.settings_page import VARIABLES
from scripts.write_reference import GENERATED, REFERENCE

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HOW_TO = ("source", "gate", "feature", "model", "rule", "risk-gate", "strategy", "broker", "market")


@pytest.mark.parametrize("name", GENERATED)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == GENERATED[name](), "run python -m scripts.write_reference"


def test_every_variable_that_the_code_reads_is_in_the_settings_reference() -> None:
    code = (ROOT / "tradegraph_dagster").rglob("*.py")
    found = {
        name
        for path in code
        for name in re.findall(r'"(TRADEGRAPH_[A-Z_]*[A-Z])"', path.read_text(encoding="utf-8"))
    }
    of_adapters = re.compile("TRADEGRAPH_SECRET_(ALPACA)_")
    assert {name for name in found if not of_adapters.match(name)} <= set(VARIABLES)
    assert len(found) > 8


def test_every_stage_has_a_page() -> None:
    stages = {
        path.name
        for path in (ROOT / "tradegraph_dagster" / "domain").iterdir()
        if (path / "__init__.py").exists() and path.name != "core"
    }
    pages = {path.stem for path in (ROOT / "docs" / "stages").glob("*.md")}
    assert pages == stages


@pytest.mark.parametrize("thing", HOW_TO)
def test_adding_a_thing_is_explained(thing: str) -> None:
    page = ROOT / "docs" / "how-to" / f"add-a-{thing}.md"
    assert len(page.read_text(encoding="utf-8").splitlines()) >= 12


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [
        target.split("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not target.startswith(("http", "#", "mailto"))
    ]
    missing = [target for target in links if target and not (page.parent / target).exists()]
    named = re.findall(r"`((?:tradegraph_dagster|docs|config|scripts|tests|dbt)/[\w./-]+)`", text)
    missing += [name for name in named if "<" not in name and not (ROOT / name).exists()]
    assert not missing
