"""`tradegraph features audit`: what it prints, and an exit status that says whether it passed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.features import catalogue, causality, sets
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.signals import strategies

RUN = CliRunner()

LEAKY = """
from dataclasses import replace
import numpy as np
from tests.support.audit_mutants import with_fault

def next_row(grid, values):
    return np.concatenate([values[1:], values[-1:]])

FEATURE_SET = replace(with_fault(next_row), name="leaky")
"""


@pytest.fixture
def _leaky_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more file in the catalogue of feature sets."""
    (tmp_path / "leaky.py").write_text(LEAKY, encoding="utf-8")
    monkeypatch.setattr(sets, "__path__", [*sets.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{sets.__name__}.leaky", raising=False)


def test_a_set_that_is_causal_passes_and_every_check_is_counted() -> None:
    result = RUN.invoke(app, ["features", "audit", "--set", "alpha158", "--json"])
    (row,) = json.loads(result.stdout)
    assert result.exit_code == 0
    assert row["columns"] == 158
    assert row["findings"] == []
    assert all(check["compared"] > 0 and check["failed"] == 0 for check in row["checks"].values())
    assert {"truncation", "perturbation", "warm_up", "price_scale", "split"} <= set(row["checks"])
    assert (row["first_rows"]["kmid"], row["first_rows"]["roc60"]) == (0, 60)


@pytest.mark.usefixtures("_leaky_set")
def test_a_leak_fails_with_its_first_finding() -> None:
    result = RUN.invoke(app, ["features", "audit", "--set", "leaky"])
    assert result.exit_code == 1
    assert "leaky change5 fails truncation: " in result.stderr
    assert "history cut after" in result.stderr
    assert "share5" not in result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    (truncation,) = [line for line in lines if line[1:2] == ["truncation"]]
    assert truncation[-4:] == ["1", "│", "1", "│"]


IDLE = """
from dataclasses import replace
from tradegraph_dagster.domain.signals.strategies.topk_dropout import STRATEGY as HONEST

STRATEGY = replace(HONEST, name="idle", weigh=lambda candidates, holdings, params: holdings.clear())
"""


def test_a_subject_of_which_nothing_was_compared_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "idle.py").write_text(IDLE, encoding="utf-8")
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{strategies.__name__}.idle", raising=False)
    # Without the sets: they take long, and have a test of their own.
    monkeypatch.setattr(catalogue, "feature_set_names", lambda: ())
    result = RUN.invoke(app, ["features", "audit"])
    assert result.exit_code == 1
    assert "idle: nothing was compared" in result.stderr
    assert "0 findings" in result.stdout


@pytest.mark.usefixtures("_leaky_set")
def test_the_first_rows_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[FeatureSet] = []

    def counted(feature_set: FeatureSet, **options: int) -> dict[str, int | None]:
        computed.append(feature_set)
        return first_valid_rows(feature_set, **options)

    first_valid_rows = causality.first_valid_rows
    monkeypatch.setattr(causality, "first_valid_rows", counted)
    result = RUN.invoke(app, ["features", "audit", "--set", "leaky", "--json"])
    (row,) = json.loads(result.stdout)
    assert row["first_rows"] == {"change5": 4, "share5": 0}
    assert [one.name for one in computed] == ["leaky"]


@pytest.mark.usefixtures("_leaky_set")
def test_findings_as_json_name_place_and_values() -> None:
    result = RUN.invoke(app, ["features", "audit", "--set", "leaky", "--json"])
    (row,) = json.loads(result.stdout)
    first = row["findings"][0]
    assert result.exit_code == 1
    assert row["checks"]["truncation"]["failed"] == 1
    assert first["column"] == "change5"
    assert first["expected"] != first["found"]
    assert {"session", "symbol", "change", "cells"} <= set(first)


def test_an_unknown_set_is_refused_with_those_there_are() -> None:
    result = RUN.invoke(app, ["features", "audit", "--set", "alpha360"])
    assert result.exit_code == 1
    assert "alpha158" in result.stderr


@pytest.mark.slow
def test_everything_is_audited_when_no_set_is_named() -> None:
    result = RUN.invoke(app, ["features", "audit", "--json"])
    subjects = [row["subject"] for row in json.loads(result.stdout)]
    assert result.exit_code == 0, result.stderr
    assert len(subjects) == len(set(subjects))
    assert {"alpha158", "technical", "universe", "labels_1", "topk_dropout"} <= set(subjects)
