from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from tradegraph_dagster.domain.core.errors import FeatureMismatch
from tradegraph_dagster.domain.models.ic import MeanWithError
from tradegraph_dagster.domain.models.reference import values_to_reference
from tradegraph_dagster.domain.monitoring.drift import (
    drift_level,
    features_to_drift,
    population_stability,
)
from tradegraph_dagster.domain.monitoring.schema import DriftPolicy

DAY, MONTH = date(2024, 3, 28), date(2024, 3, 1)
RNG = np.random.default_rng(5)
POLICY = DriftPolicy()
GOOD = MeanWithError(0.03, 0.01, 20)
KEYS = [("feature", "a"), ("feature", "b"), ("feature", "c"), ("score", "")]


def normal(size: int = 5_000, shift: float = 0.0) -> np.ndarray:
    return RNG.normal(shift, 1, size).astype(np.float32)


def report(*, shifts: dict[str, float], rank_ic: MeanWithError = GOOD) -> pl.DataFrame:
    reference = values_to_reference(MONTH, {key: normal() for key in KEYS})
    recent = {key: normal(shift=shifts.get(key[1] or "score", 0.0)) for key in KEYS}
    return features_to_drift(DAY, recent, reference, rank_ic=rank_ic, policy=POLICY)


def level_of(rows: pl.DataFrame, kind: str, name: str = "") -> str:
    return rows.filter(kind=kind, name=name)["level"].item()


def test_published_figure() -> None:
    recent = np.array([0.05, 0.08, 0.1, 0.1, 0.1, 0.1, 0.1, 0.12, 0.12, 0.13])
    assert population_stability(recent, np.full(10, 0.1)) == pytest.approx(0.0542840, abs=5e-8)


def test_equal_shares_do_not_drift_and_empty_bins_stay_finite() -> None:
    shares = np.array([0.5, 0.5, 0.0])
    assert population_stability(shares, shares) == 0
    moved = population_stability(np.array([0.0, 0.5, 0.5]), shares)
    floor = 1e-4
    assert moved == pytest.approx(2 * (0.5 - floor) * np.log(0.5 / floor))


def test_nothing_has_changed() -> None:
    rows = report(shifts={})
    assert set(rows["level"]) == {"green"}
    assert drift_level(rows) == "green"
    assert rows["kind"].value_counts().sort("kind")["count"].to_list() == [3, 1, 1, 1]


def test_a_shift_is_seen_where_it_is() -> None:
    rows = report(shifts={"a": 0.4, "b": 1.0})
    levels = [level_of(rows, "feature", name) for name in "abc"]
    assert levels == ["yellow", "red", "green"]
    assert rows.filter(kind="overall")["value"].item() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("shifts", "level"),
    [
        ({"a": 1.0}, "green"),
        ({"a": 1.0, "b": 1.0}, "red"),
        ({"a": 0.4, "b": 0.4}, "yellow"),
        ({"score": 2.0}, "yellow"),
    ],
)
def test_the_report_is_judged_by_the_share_of_features(
    shifts: dict[str, float], level: str
) -> None:
    assert drift_level(report(shifts=shifts)) == level


@pytest.mark.parametrize(
    ("rank_ic", "level"),
    [
        (MeanWithError(0.0, 0.01, 20), "green"),
        (MeanWithError(-0.01, 0.01, 20), "yellow"),
        (MeanWithError(-0.03, 0.01, 20), "red"),
        (MeanWithError(None, None, 0), "yellow"),
        (MeanWithError(-0.5, None, 20), "yellow"),
        (MeanWithError(0.5, None, 20), "green"),
    ],
)
def test_a_failing_champion_is_named_but_does_not_block_its_successor(
    rank_ic: MeanWithError, level: str
) -> None:
    rows = report(shifts={}, rank_ic=rank_ic)
    assert level_of(rows, "rank_ic") == level
    assert drift_level(rows) == ("green" if level == "green" else "yellow")


def test_values_that_went_missing_are_drift() -> None:
    series = normal()
    reference = values_to_reference(MONTH, {("feature", "a"): series})
    holed = np.where(np.arange(len(series)) % 2 == 0, np.float32("nan"), series)
    rows = features_to_drift(DAY, {("feature", "a"): holed}, reference, rank_ic=GOOD, policy=POLICY)
    assert level_of(rows, "feature", "a") == "red"


def test_no_values_at_all_are_watched() -> None:
    reference = values_to_reference(MONTH, {key: normal() for key in KEYS})
    recent = {key: normal() if key[0] == "feature" else np.empty(0) for key in KEYS}
    rows = features_to_drift(DAY, recent, reference, rank_ic=GOOD, policy=POLICY)
    assert rows.filter(kind="score")["value"].to_list() == [None]
    assert drift_level(rows) == "yellow"


def test_other_features_are_refused() -> None:
    reference = values_to_reference(MONTH, {key: normal() for key in KEYS})
    with pytest.raises(FeatureMismatch, match="'c'"):
        features_to_drift(
            DAY,
            {key: normal() for key in KEYS if key[1] != "c"},
            reference,
            rank_ic=GOOD,
            policy=POLICY,
        )


def test_a_report_without_an_overall_row_is_as_bad_as_its_worst() -> None:
    rows = pl.DataFrame({"kind": ["score", "rank_ic"], "level": ["green", "red"]})
    assert drift_level(rows) == "red"
