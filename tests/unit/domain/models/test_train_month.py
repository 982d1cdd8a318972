from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.model_lake import (
    LAST_LABELLED,
    MONTH,
    PLAN,
    alpha158,
    research,
    write_research,
)
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.domain.core.errors import ConfigError, TrainingRefused
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ic import mean_with_error
from tradegraph_dagster.domain.models.schema import (
    CANDIDATE_MODEL,
    EVALUATION,
    FEATURE_REFERENCE,
)
from tradegraph_dagster.domain.models.step import train_month
from tradegraph_dagster.domain.registry.step import evaluate_month


def train(ws: Workspace, folder: Path, **changes: object) -> dict:
    registry = MemoryModelRegistry()
    plan = replace(PLAN, **changes)
    written = train_month(ws, month=MONTH, plan=plan, registry=registry, scratch=folder)
    assert not list(folder.iterdir())
    row = ws.store.read(CANDIDATE_MODEL, [MONTH]).row(0, named=True)
    assert written.facts["model_version"] == row["model_version"]
    return row


def test_the_row_names_purged_blocks_and_what_was_seen(tmp_path: Path) -> None:
    ws = research()
    row = train(ws, tmp_path)
    apart = ws.calendar.between(row["train_last"], row["valid_first"])
    assert len(apart) == PLAN.split.purge_sessions + 2
    assert row["test_last"] == LAST_LABELLED
    # Two sessions on from the last valid session: its label is c[t+2] / c[t+1] - 1.
    assert row["trained_through"] == ws.calendar.shift(row["valid_last"], 2)
    assert row["trained_through"] < row["test_first"]
    assert row["train_rows"] == 80 * 40
    assert row["feature_set_version"] == alpha158().version


def test_a_rerun_gives_the_same_file_and_version(tmp_path: Path) -> None:
    ws, registry = research(), MemoryModelRegistry()
    runs = [
        train_month(ws, month=MONTH, plan=PLAN, registry=registry, scratch=tmp_path)
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0].facts["model_version"] == "1"


def test_nothing_after_the_month_began_changes_the_model(tmp_path: Path) -> None:
    ws = research()
    before = train(ws, tmp_path)
    later = ws.calendar.between(date(2023, 7, 28), date(2023, 8, 15))
    write_research(ws, later, correlation=-0.9, seed=99)
    assert train(ws, tmp_path) == before


def test_neither_the_test_block_nor_its_labels_change_the_model(tmp_path: Path) -> None:
    ws = research()
    before = train(ws, tmp_path)
    tested = ws.calendar.between(before["test_first"], before["test_last"])
    write_research(ws, tested, correlation=-0.9, seed=99)
    assert train(ws, tmp_path)["artifact_sha256"] == before["artifact_sha256"]


def test_what_is_learned_does_change_the_model(tmp_path: Path) -> None:
    ws = research()
    before = train(ws, tmp_path)
    write_research(ws, [before["train_last"]], seed=99)
    after = train(ws, tmp_path)
    assert after["artifact_sha256"] != before["artifact_sha256"]
    assert after["dataset_fingerprint"] != before["dataset_fingerprint"]


def test_the_reference_holds_each_feature_and_the_score(tmp_path: Path) -> None:
    ws = research()
    train(ws, tmp_path)
    reference = ws.store.read(FEATURE_REFERENCE, [MONTH])
    names = reference.filter(kind="feature")["name"].unique().to_list()
    assert sorted(names) == sorted(alpha158().definitions)
    shares = reference.group_by("kind", "name").agg(pl.col("share_frac").sum())
    assert shares["share_frac"].to_list() == pytest.approx([1.0] * 159)


def test_a_few_missing_sessions_are_left_out(tmp_path: Path) -> None:
    missing = [date(2023, month, 14) for month in (3, 4, 6)]
    ws = research(without=missing)
    written = train_month(
        ws, month=MONTH, plan=PLAN, registry=MemoryModelRegistry(), scratch=tmp_path
    )
    assert written.facts["missing_sessions"] == 3


@pytest.mark.parametrize("first_missing", [date(2023, 2, 27), date(2023, 7, 1)])
def test_too_little_data_is_refused(first_missing: date, tmp_path: Path) -> None:
    ws = research()
    ws = research(without=ws.calendar.between(first_missing, LAST_LABELLED))
    with pytest.raises(TrainingRefused, match="found"):
        train(ws, tmp_path)
    assert not ws.store.partitions(CANDIDATE_MODEL.name)


def test_unknown_entries_and_parameters_are_refused(tmp_path: Path) -> None:
    ws = research()
    for change in ({"kind": "oracle"}, {"feature_set": "none"}, {"params": {"leaves": 3}}):
        with pytest.raises(ConfigError):
            train(ws, tmp_path, **change)


@pytest.mark.parametrize("planted", [0.3, 0.0])
def test_the_planted_signal_is_found_and_none_is_invented(planted: float, tmp_path: Path) -> None:
    ws, registry = research(correlation=planted), MemoryModelRegistry()
    train_month(ws, month=MONTH, plan=PLAN, registry=registry, scratch=tmp_path)
    evaluate_month(ws, month=MONTH, registry=registry, plan=PLAN, min_names=10)
    mean, error, n = mean_with_error(ws.store.read(EVALUATION, [MONTH])["ic"])
    assert n == PLAN.split.test_sessions
    assert abs(mean - planted) < 2 * error
    if planted:
        assert mean > 3 * error
