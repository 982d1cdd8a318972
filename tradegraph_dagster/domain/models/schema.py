"""Tables and values of the model stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.datasets.schema import Dataset, SplitPlan

if TYPE_CHECKING:
    import numpy as np

CANDIDATE_MODEL = FrameSchema(
    name="candidate_model",
    doc="The model trained to trade in a month, on the sessions before it; one row.",
    key=("month",),
    columns={
        "month": Column(pl.Date, "first day of the month it is trained for"),
        "model_version": Column(pl.String, "version in the registry"),
        "artifact_sha256": Column(pl.String, "hash of the model file"),
        "kind": Column(pl.String, "entry of the model catalogue"),
        "feature_set_version": Column(pl.String, "what the model reads"),
        "horizon_sessions": Column(
            pl.Int32,
            "horizon of the labels it learned; null in months from before it was kept",
            "sessions",
            nullable=True,
        ),
        "dataset_fingerprint": Column(pl.String, "hash of its training rows"),
        "trained_through": Column(pl.Date, "last session whose data it has seen"),
        "train_rows": Column(pl.Int64, "rows it learned from", "rows"),
        "train_first": Column(pl.Date, "first session of the train block"),
        "train_last": Column(pl.Date, "last session of the train block"),
        "valid_first": Column(pl.Date, "first session of the early-stopping block"),
        "valid_last": Column(pl.Date, "last session of the early-stopping block"),
        "test_first": Column(pl.Date, "first session of the out-of-sample block"),
        "test_last": Column(pl.Date, "last session of the out-of-sample block"),
    },
)

EVALUATION = FrameSchema(
    name="evaluation",
    doc="Out-of-sample IC by session of the month's candidate and of the champion it would follow.",
    key=("month", "role", "session"),
    columns={
        "month": Column(pl.Date, "first day of the month it is trained for"),
        "role": Column(pl.String, "candidate or champion"),
        "session": Column(pl.Date, "session of the forecast"),
        "model_version": Column(pl.String, "version in the registry"),
        "ic": Column(pl.Float64, "Pearson, forecast against raw label", nullable=True),
        "rank_ic": Column(pl.Float64, "Spearman, average ranks", nullable=True),
        "names": Column(pl.Int32, "names in the cross-section", "names"),
        "tradable_ic": Column(pl.Float64, "ic of the names that could be entered", nullable=True),
        "tradable_rank_ic": Column(pl.Float64, "rank_ic of the same names", nullable=True),
        "tradable_names": Column(
            pl.Int32,
            "names that could be entered; null in months from before they were counted",
            "names",
            nullable=True,
        ),
    },
)

FEATURE_REFERENCE = FrameSchema(
    name="feature_reference",
    doc="What the month's model learned from: deciles of each feature, and of its test scores.",
    key=("month", "kind", "name", "bin"),
    columns={
        "month": Column(pl.Date, "first day of the month it is trained for"),
        "kind": Column(pl.String, "feature or score"),
        "name": Column(pl.String, "feature name; empty for the score"),
        "bin": Column(pl.Int32, "0 upwards by value; -1 holds the missing values"),
        "upper_edge": Column(
            pl.Float64, "highest value of the bin; null for the last and for -1", nullable=True
        ),
        "share_frac": Column(pl.Float64, "share of the reference rows in the bin", "fraction"),
    },
)


class Forecaster(Protocol):
    """A fitted model."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Features, float32 (rows, features) with NaN -> scores, float64 (rows,)."""
        ...


@dataclass(frozen=True)
class ModelKind:
    """One entry of the model catalogue.

    Attributes:
        name: File name of the entry.
        defaults: Parameters and their default values; others are refused.
        fit: (train, valid, params, seed) -> forecaster; same inputs give the same model.
        save: Writes one file and nothing else.
        load: Reads it back; predictions are equal bit for bit.
    """

    name: str
    defaults: Mapping[str, Any]
    fit: Callable[[Dataset, Dataset, Mapping[str, Any], int], Forecaster]
    save: Callable[[Forecaster, Path], None]
    load: Callable[[Path], Forecaster]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model file."""

    version: str
    artifact_sha256: str
    trained_through: date
    kind: str
    feature_set_version: str


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What is trained for a month, and how.

    Attributes:
        kind: Entry of the model catalogue.
        params: Its parameters; those left out take the entry's defaults.
        feature_set: Entry of the feature set catalogue.
        split: How the window is cut.
        seed: Of every random choice in training.
    """

    kind: str
    feature_set: str
    params: Mapping[str, Any] = field(default_factory=dict)
    split: SplitPlan = field(default_factory=SplitPlan)
    seed: int = 0
