"""Tables and values of the dataset stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.frames import Column, FrameSchema

if TYPE_CHECKING:
    import numpy as np

LABELS = FrameSchema(
    name="labels",
    doc="Return from the close of t+1 to the close of t+h+1.",
    columns={
        "session": Column(pl.Date, "session t whose features it labels"),
        "symbol": Column(pl.String, "exchange code"),
        "label": Column(
            pl.Float64, "c[t+h+1]/c[t+1] - 1; null if either is missing", "fraction", nullable=True
        ),
        "is_entry_tradable": Column(
            pl.Boolean, "t+1 traded and did not close at its upper price limit"
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Split:
    """Sessions of one walk-forward fold; blocks are ordered in time and purged from each other."""

    train: tuple[date, ...]
    valid: tuple[date, ...]
    test: tuple[date, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """How a training window is cut, in sessions, counted back from its last labelled session.

    Attributes:
        horizon_sessions: Label horizon h; the purge is derived from it.
        train_sessions: Longest train block; shorter when history is.
        valid_sessions: Early-stopping block.
        test_sessions: Out-of-sample block that promotion looks at.
        min_train_sessions: Fewer refuse to train.
    """

    horizon_sessions: int = 1
    train_sessions: int = 480
    valid_sessions: int = 40
    test_sessions: int = 40
    min_train_sessions: int = 120

    def __post_init__(self) -> None:
        for name in (
            "horizon_sessions",
            "train_sessions",
            "valid_sessions",
            "test_sessions",
            "min_train_sessions",
        ):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")

    @property
    def purge_sessions(self) -> int:
        """Rows dropped before a block: a label of t reads closes up to t+h+1."""
        return self.horizon_sessions + 1


@dataclass(frozen=True)
class Dataset:
    """Rows for a learner, sorted by (session, symbol).

    Attributes:
        x: float32 of shape (rows, features), NaN where missing.
        y: float64 of shape (rows,), the raw label.
        sessions: Session of each row, shape (rows,), datetime64[D].
        symbols: Symbol of each row, shape (rows,).
        feature_names: Column names of x.
        feature_set_version: What a model trained on this is bound to.
    """

    x: np.ndarray
    y: np.ndarray
    sessions: np.ndarray
    symbols: np.ndarray
    feature_names: tuple[str, ...]
    feature_set_version: str
