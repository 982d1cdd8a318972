"""What a feature set is, and the table it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.core.frames import Column, FrameSchema

if TYPE_CHECKING:
    import numpy as np

FEATURES = "features"
BAR_FIELDS = ("open", "high", "low", "close", "volume", "vwap")


@dataclass(frozen=True)
class BarGrid:
    """Bars of some instruments on consecutive sessions, wide: what a feature set computes from.

    Attributes:
        sessions: datetime64[D], shape (sessions,): every session, none left out.
        begins_at: int64, shape (instruments,): row of an instrument's first session. No window
            reaches before it, and its fields are NaN there.
        fields: Each of BAR_FIELDS -> float64 of shape (sessions, instruments), C-contiguous, NaN
            where the instrument was not traded. Never infinite.
    """

    sessions: np.ndarray
    begins_at: np.ndarray
    fields: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FeatureSet:
    """Named features of one instrument's bars, and optionally of one session's instruments.

    Attributes:
        name: File name of the entry.
        definitions: Feature name (lower case) -> formula, in column order.
        lookback: Rows before t that row t reads; 60 for Alpha158. A grid that begins so many rows
            before t gives the same bits at t as a longer one.
        compute: Bars -> float32 of shape (features, sessions, instruments). An instrument's
            numbers read no other instrument and no later row. It may be called from several
            threads at once.
        base: For a set that compares the instruments of a session: the set whose values it
            compares. `compute` is then that set's.
        across: For such a set: rows (session, symbol, industry, the base's features) of whole
            sessions -> the same rows with this set's columns.
    """

    name: str
    definitions: Mapping[str, str]
    lookback: int
    compute: Callable[[BarGrid], np.ndarray]
    base: FeatureSet | None = None
    across: Callable[[pl.DataFrame], pl.DataFrame] | None = None

    @property
    def version(self) -> str:
        """Hash of names and definitions; every model is bound to it."""
        return f"{self.name}-{data_fingerprint(list(self.definitions.items()))[:12]}"

    @property
    def schema(self) -> FrameSchema:
        """Schema of the `features` table for this set. Missing values are NaN, never null."""
        return FrameSchema(
            name=FEATURES,
            doc=f"Feature set {self.name}.",
            columns={
                "session": Column(pl.Date, "trading date"),
                "symbol": Column(pl.String, "exchange code"),
                **{name: Column(pl.Float32, text) for name, text in self.definitions.items()},
            },
        )
