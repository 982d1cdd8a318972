"""Docs cannot drift: generated pages match, links resolve, every stage has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.write_reference import PAGE, tables_page

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HOW_TO = ("source", "gate", "feature", "model", "rule", "risk-gate", "strategy", "broker", "market")


def test_the_table_reference_is_what_the_schemas_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == tables_page(), "run scripts/write_reference.py"


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
