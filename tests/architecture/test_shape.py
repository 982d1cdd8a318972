"""The shape of the code: what imports what, and how large anything may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tradegraph_dagster

PACKAGE = Path(tradegraph_dagster.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_DAGSTER_SHARE = 0.25
MAX_ASSET_BODY = 25
MAX_MODULE = 400
MAX_FUNCTION = 50
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager"}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _lines(node: ast.FunctionDef) -> int:
    """Lines of a function's body, its docstring left out."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _imports_dagster(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.split(".")[0] in ("dagster", "dagster_dbt") for name in names):
            return True
    return False


def test_dagster_stays_at_the_edge() -> None:
    importers = [path for path in MODULES if _imports_dagster(_tree(path))]
    share = len(importers) / len(MODULES)
    assert share <= MAX_DAGSTER_SHARE, f"{share:.0%}: {[path.name for path in importers]}"


def test_asset_bodies_are_thin() -> None:
    bodies = {
        f"{path.name}:{function.name}": _lines(function)
        for path in MODULES
        if path.parent.name == "assets"
        for outer in _functions(_tree(path))
        for function in outer.body
        if isinstance(function, ast.FunctionDef) and function.decorator_list
    }
    assert len(bodies) >= 19
    too_long = {name: lines for name, lines in bodies.items() if lines > MAX_ASSET_BODY}
    assert not too_long


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE
    long = {node.name: _lines(node) for node in _functions(_tree(path))}
    assert not {name: count for name, count in long.items() if count > MAX_FUNCTION}


def test_no_drawer_for_everything() -> None:
    parts = {path.stem for path in MODULES} | {
        part for path in MODULES for part in path.relative_to(PACKAGE).parts[:-1]
    }
    assert not parts & FORBIDDEN_NAMES


def test_every_stage_and_catalogue_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(PACKAGE)) for path in MODULES if not ast.get_docstring(_tree(path))
    ]
    assert not silent
