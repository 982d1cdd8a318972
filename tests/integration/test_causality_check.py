"""The weekly check in Dagster passes on the lake's bars, and names a feature that looks ahead."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from tests.support.audit_mutants import HONEST, NAMES, with_fault
from tests.support.deployment import Deployment, deployment
from tests.support.make_bars import make_adjusted_bars
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.features.schema import BarGrid, FeatureSet
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.jobs import CAUSALITY, job_name


def next_row(grid: BarGrid, values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[1:], values[-1:]])


def evaluated(on: Deployment, feature_set: FeatureSet) -> dg.AssetCheckEvaluation:
    # A desk looks its set up once; this one is in no catalogue.
    on.desk.__dict__["feature_set"] = feature_set
    job = on.definitions.resolve_job_def(job_name("cn", CAUSALITY))
    result = job.execute_in_process(instance=on.instance, raise_on_error=False)
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


@pytest.mark.parametrize(
    ("feature_set", "passed", "features"),
    [(HONEST, True, "none"), (with_fault(next_row), False, NAMES[0])],
    ids=["honest", "looking ahead"],
)
def test_the_check_says_which_features_read_the_future(
    tmp_path: Path, feature_set: FeatureSet, passed: bool, features: str
) -> None:
    with deployment(tmp_path) as on:
        days = on.sessions[:20]
        write_sessions(on.desk.workspace.store, VALIDATED_BARS, make_adjusted_bars(days), days)
        evaluation = evaluated(on, feature_set)
    assert evaluation.passed is passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert evaluation.metadata["features"].value == features
    assert evaluation.metadata["values"].value == 20


def test_sessions_without_a_bar_do_not_pass(tmp_path: Path) -> None:
    with deployment(tmp_path) as on:
        store = on.desk.workspace.store
        write_sessions(store, VALIDATED_BARS, VALIDATED_BARS.empty(), on.sessions[:20])
        evaluation = evaluated(on, HONEST)
    assert not evaluation.passed
    assert "no two newest sessions" in str(evaluation.description)


def test_a_lake_with_nothing_to_compare_does_not_pass(tmp_path: Path) -> None:
    with deployment(tmp_path) as on:
        evaluation = evaluated(on, HONEST)
    assert not evaluation.passed
    assert "no two newest sessions" in str(evaluation.description)
