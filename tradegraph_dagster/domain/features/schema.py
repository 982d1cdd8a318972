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
class FeatureSet:
    """Named features over per-instrument arrays.

    Attributes:
        name: File name of the entry.
        definitions: Feature name (lower case) -> formula, in column order.
        lookback: Rows before t that row t reads; 60 for Alpha158.
        compute: Arrays of BAR_FIELDS, float64 of shape (rows,) of one instrument, one row a session
            between its first and last, NaN where suspended -> float32 of shape (rows, features).
    """

    name: str
    definitions: Mapping[str, str]
    lookback: int
    compute: Callable[[Mapping[str, np.ndarray]], np.ndarray]

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
