"""What every entry of the model catalogue must do; a new file is tested without more ado."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tradegraph_dagster.domain.models.kinds as kinds
from tests.support.model_lake import make_dataset, with_labels
from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.errors import ConfigError, CorruptPartition, TrainingRefused
from tradegraph_dagster.domain.models.schema import ModelKind

# Parameters that let an entry learn from 900 rows; an entry that is not named uses its defaults.
SMALL: dict[str, dict[str, Any]] = {
    "lightgbm": {
        "num_boost_round": 40,
        "num_leaves": 7,
        "max_depth": 3,
        "lambda_l1": 0.0,
        "lambda_l2": 1.0,
    }
}
TRAIN, VALID = make_dataset(seed=1), make_dataset(seed=2)


@pytest.fixture(params=entry_names(kinds))
def kind(request: pytest.FixtureRequest) -> ModelKind:
    return load_entry(kinds, request.param, "KIND")


def fit(kind: ModelKind, *, seed: int = 3, train: Any = TRAIN, **params: Any) -> Any:
    return kind.fit(train, VALID, {**SMALL.get(kind.name, {}), **params}, seed)


def test_is_named_like_its_file(kind: ModelKind) -> None:
    assert kind.name in entry_names(kinds)


def test_learns_what_is_there_to_learn(kind: ModelKind) -> None:
    scores = fit(kind).predict(VALID.x)
    assert scores.shape == (len(VALID.y),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert np.corrcoef(scores, VALID.y)[0, 1] > 0.3


def test_same_seed_same_model_and_bytes(kind: ModelKind, tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        kind.save(fit(kind), tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_another_seed_is_another_model(kind: ModelKind) -> None:
    assert not np.array_equal(fit(kind).predict(VALID.x), fit(kind, seed=4).predict(VALID.x))


def test_a_saved_model_forecasts_the_same_bits(kind: ModelKind, tmp_path: Path) -> None:
    forecaster = fit(kind)
    kind.save(forecaster, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    again = kind.load(tmp_path / "model")
    assert np.array_equal(forecaster.predict(VALID.x), again.predict(VALID.x))
    kind.save(again, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_forecasts_do_not_depend_on_their_neighbours(kind: ModelKind) -> None:
    forecaster = fit(kind)
    together = forecaster.predict(VALID.x[:20])
    alone = np.concatenate([forecaster.predict(VALID.x[row : row + 1]) for row in range(20)])
    assert np.array_equal(together, alone)
    assert forecaster.predict(VALID.x[:0]).shape == (0,)


def test_refuses_what_it_does_not_know(kind: ModelKind) -> None:
    with pytest.raises(ConfigError, match="no_such_parameter"):
        fit(kind, no_such_parameter=1)
    for name in kind.defaults:
        with pytest.raises(ConfigError, match=name):
            fit(kind, **{name: "7"})


@pytest.mark.parametrize("label", [np.zeros(len(TRAIN.y)), np.full(len(TRAIN.y), np.nan)])
def test_refuses_to_learn_from_nothing(kind: ModelKind, label: np.ndarray) -> None:
    with pytest.raises(TrainingRefused):
        fit(kind, train=with_labels(TRAIN, label))


def test_refuses_a_damaged_file(kind: ModelKind, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"\x00\xffnothing")
    with pytest.raises(CorruptPartition):
        kind.load(tmp_path / "model")
