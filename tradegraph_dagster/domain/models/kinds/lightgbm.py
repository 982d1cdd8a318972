"""Gradient-boosted trees on squared error, stopped early on the valid block.

The defaults are the recipe published for 300 large Chinese names, with one correction: there the
row subsample has no effect, because no bagging frequency is set; here it is drawn anew each round.
A small universe needs far weaker regularisation: set lambda_l1, lambda_l2, num_leaves and
min_data_in_leaf to fit its rows.

Source: microsoft/qlib, examples/benchmarks/LightGBM, workflow_config_lightgbm_Alpha158.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tradegraph_dagster.domain.core.errors import ConfigError, CorruptPartition, TrainingRefused
from tradegraph_dagster.domain.datasets.schema import Dataset
from tradegraph_dagster.domain.models.schema import Forecaster, ModelKind

NAME = "lightgbm"
THREADS = 2

DEFAULTS: Mapping[str, Any] = {
    "num_boost_round": 1000,
    "early_stopping_rounds": 50,
    "learning_rate": 0.2,
    "num_leaves": 210,
    "max_depth": 8,
    "max_bin": 255,
    "colsample_bytree": 0.8879,
    "subsample": 0.8789,
    "lambda_l1": 205.6999,
    "lambda_l2": 580.9768,
    "min_data_in_leaf": 20,
    "min_gain_to_split": 0.0,
}
_ROUNDS = ("num_boost_round", "early_stopping_rounds")
# Every source of chance and of thread-dependent summation is fixed.
_FIXED: Mapping[str, Any] = {
    "objective": "regression",
    "metric": "l2",
    "boosting": "gbdt",
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": THREADS,
    "verbosity": -1,
}


class LightGbmForecaster:
    """Trees as their text, which is also what the file holds."""

    def __init__(self, text: str) -> None:
        from lightgbm import Booster

        self.text = text
        self._booster = Booster(model_str=text)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Scores, float64 (rows,)."""
        if len(x) == 0:
            return np.empty(0)
        return np.asarray(self._booster.predict(x, num_threads=THREADS), dtype=np.float64)


def fit(train: Dataset, valid: Dataset, params: Mapping[str, Any], seed: int) -> Forecaster:
    """Train on rows whose label is a number.

    Raises:
        ConfigError: An unknown parameter, a wrong type, or a value LightGBM refuses.
        TrainingRefused: No rows, or nothing that varies.
    """
    import lightgbm

    settings = _settings(params)
    x, y = _rows(train, "train")
    x_valid, y_valid = _rows(valid, "valid")
    if np.ptp(y) == 0 or not _varies(x):
        raise TrainingRefused(
            f"expected a label and features that vary, found {len(y)} rows of a constant"
        )
    options = {name: value for name, value in settings.items() if name not in _ROUNDS}
    train_set = lightgbm.Dataset(
        x, y, feature_name=list(train.feature_names), params={"verbosity": -1}
    )
    valid_set = lightgbm.Dataset(x_valid, y_valid, reference=train_set)
    patience = settings["early_stopping_rounds"]
    try:
        booster = lightgbm.train(
            {**options, **_FIXED, "seed": seed},
            train_set,
            num_boost_round=settings["num_boost_round"],
            valid_sets=[valid_set],
            callbacks=[lightgbm.early_stopping(patience, verbose=False)] if patience else [],
        )
    except lightgbm.basic.LightGBMError as error:
        raise ConfigError(f"lightgbm refuses {dict(params)}: {error}") from error
    return LightGbmForecaster(booster.model_to_string(num_iteration=booster.best_iteration or -1))


def save(forecaster: Forecaster, path: Path) -> None:
    """Write the trees as text; the same model gives the same bytes."""
    if not isinstance(forecaster, LightGbmForecaster):
        raise ConfigError(f"expected a {NAME} model, found {type(forecaster).__name__}")
    path.write_text(forecaster.text, encoding="utf-8", newline="\n")


def load(path: Path) -> Forecaster:
    """Read the trees.

    Raises:
        CorruptPartition: The file holds no model.
    """
    import lightgbm

    try:
        return LightGbmForecaster(path.read_text(encoding="utf-8"))
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise CorruptPartition(f"{path} holds no {NAME} model: {error}") from error


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(params) - set(DEFAULTS))
    if unknown:
        raise ConfigError(f"{NAME}: unknown parameters {unknown}; allowed: {sorted(DEFAULTS)}")
    for name, value in params.items():
        number = (int, float) if isinstance(DEFAULTS[name], float) else int
        if isinstance(value, bool) or not isinstance(value, number):
            kind = "number" if isinstance(DEFAULTS[name], float) else "integer"
            raise ConfigError(f"{NAME}: {name}: expected a {kind}, found {value!r}")
    settings = {**DEFAULTS, **params}
    if settings["num_boost_round"] < 1 or settings["early_stopping_rounds"] < 0:
        raise ConfigError(
            f"{NAME}: expected num_boost_round >= 1 and early_stopping_rounds >= 0 (0 is off), "
            f"found {settings['num_boost_round']} and {settings['early_stopping_rounds']}"
        )
    return settings


def _rows(dataset: Dataset, block: str) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(dataset.y)
    if not known.any():
        raise TrainingRefused(f"expected labelled rows in the {block} block, found none")
    return np.ascontiguousarray(dataset.x[known]), dataset.y[known]


def _varies(x: np.ndarray) -> bool:
    # fmin and fmax pass over NaN and, unlike nanmin, are silent on a column without a number.
    return bool((np.fmax.reduce(x, axis=0) > np.fmin.reduce(x, axis=0)).any())


KIND = ModelKind(name=NAME, defaults=DEFAULTS, fit=fit, save=save, load=load)
