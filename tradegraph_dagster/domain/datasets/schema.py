"""Tables and values of the dataset stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from tradegraph_dagster.domain.core.bounds import require
from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.core.sessions import SessionCalendar

if TYPE_CHECKING:
    import numpy as np

# A forecast made after the close of t is bought at the close of the session after it.
ENTRY_SESSIONS = 1

LABELS = FrameSchema(
    name="labels",
    doc="Return over h sessions from the close of t+1 on; one table `labels_<h>` a horizon.",
    columns={
        "session": Column(pl.Date, "session t whose features it labels"),
        "symbol": Column(pl.String, "exchange code"),
        "label": Column(
            pl.Float64,
            "c[t+h+1]/c[t+1] - 1; null if either was not traded",
            "fraction",
            nullable=True,
        ),
        "is_entry_tradable": Column(
            pl.Boolean, "t+1 traded and did not close at its upper price limit"
        ),
    },
)


@dataclass(frozen=True, slots=True)
class LabelSpan:
    """Which closes the label of a session t reads; purges, windows and schedules follow from it.

    Attributes:
        entry: Bought at the close of t + `entry`.
        exit: Sold at the close of t + `exit`, with which the label becomes known.
    """

    entry: int
    exit: int

    def __post_init__(self) -> None:
        require(self.entry >= 1, "entry", self.entry, ">= 1")
        require(self.exit > self.entry, "exit", self.exit, f"> entry {self.entry}")

    @classmethod
    def of_horizon(cls, horizon: int) -> LabelSpan:
        """The span of a position held over `horizon` sessions."""
        require(horizon >= 1, "horizon", horizon, ">= 1")
        return cls(ENTRY_SESSIONS, ENTRY_SESSIONS + horizon)

    @property
    def horizon(self) -> int:
        """Sessions a position is held."""
        return self.exit - self.entry

    @property
    def overlap(self) -> int:
        """The longest distance between two sessions whose labels share part of a return."""
        return self.horizon - 1

    @property
    def table(self) -> FrameSchema:
        """The table of its labels; a partition exists exactly when its labels are known."""
        return replace(LABELS, name=f"{LABELS.name}_{self.horizon}")

    def sessions(self, calendar: SessionCalendar, session: date) -> tuple[date, ...]:
        """The sessions whose bars the label reads: `session` itself, its entry and its exit.

        Raises:
            MissingSession: The calendar does not reach that far.
        """
        return (
            session,
            calendar.shift(session, self.entry),
            calendar.shift(session, self.exit),
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
        horizon_sessions: Horizon of the labels to learn; the purge follows from their span.
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
    def span(self) -> LabelSpan:
        """Which closes the labels to learn read."""
        return LabelSpan.of_horizon(self.horizon_sessions)

    @property
    def purge_sessions(self) -> int:
        """Sessions dropped before a block; with one fewer a label reads the block's first close."""
        return self.span.exit


def horizons_to_spans(horizons: Sequence[int], plan: SplitPlan) -> tuple[LabelSpan, ...]:
    """The spans of the labels to make, the shortest first.

    Raises:
        ValueError: Horizons that do not ascend, or the plan learns labels that nobody makes.
    """
    is_ascending = bool(horizons) and all(one < other for one, other in pairwise(horizons))
    require(is_ascending, "label_horizons", horizons, "ascending, at least one")
    spans = tuple(LabelSpan.of_horizon(horizon) for horizon in horizons)
    require(
        plan.span in spans,
        "training.split.horizon_sessions",
        plan.horizon_sessions,
        f"one of label_horizons {list(horizons)}",
    )
    return spans


@dataclass(frozen=True)
class Dataset:
    """Rows for a learner, sorted by (session, symbol).

    Attributes:
        x: float32 of shape (rows, features), NaN where missing.
        y: float64 of shape (rows,), the raw label.
        is_entry_tradable: bool of shape (rows,), whether t+1 could be bought at its close.
        sessions: Session of each row, shape (rows,), datetime64[D].
        symbols: Symbol of each row, shape (rows,).
        feature_names: Column names of x.
        feature_set_version: What a model trained on this is bound to.
    """

    x: np.ndarray
    y: np.ndarray
    is_entry_tradable: np.ndarray
    sessions: np.ndarray
    symbols: np.ndarray
    feature_names: tuple[str, ...]
    feature_set_version: str
