"""What a feature set is, and the table it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.core.frames import Column, FrameSchema

if TYPE_CHECKING:
    import numpy as np

FEATURES = "features"
BAR_FIELDS = ("open", "high", "low", "close", "volume", "vwap")
# What of a bar the features of its session and of later ones are computed from.
READ_OF_A_BAR = ("session", "symbol", *BAR_FIELDS, "is_suspended", "sessions_listed")

FEATURE_INPUTS = FrameSchema(
    name="feature_inputs",
    doc="What features read of a session's bars: every version they were ever computed from.",
    columns={
        "session": Column(pl.Date, "session of the bar"),
        "symbol": Column(pl.String, "exchange code"),
        "version": Column(pl.Int32, "1 for all bars first read, n for those that differ from n-1"),
        "is_present": Column(pl.Boolean, "whether there was a validated bar"),
        **{
            name: Column(pl.Float64, "as in validated_bars", "as there", nullable=True)
            for name in BAR_FIELDS
        },
        "is_suspended": Column(pl.Boolean, "no trading on the session"),
        "sessions_listed": Column(pl.Int32, "sessions since listing", "sessions"),
        "industry": Column(
            pl.String, "for a set that compares instruments; null if unknown", nullable=True
        ),
    },
    key=("session", "symbol", "version"),
)
FEATURE_ORIGINS = FrameSchema(
    name="feature_origins",
    doc="Which version of each session's bars the features of a session were computed from.",
    columns={
        "session": Column(pl.Date, "session of the features"),
        "input_session": Column(pl.Date, "session of the bars"),
        "version": Column(pl.Int32, "newest version of feature_inputs that was read"),
        "fingerprint": Column(pl.String, "content hash of the features: whose origins these are"),
    },
    key=("session", "input_session"),
)

# What a set may declare in `FeatureSet.invariant_to`: another unit of all prices, of all volumes.
PRICE_SCALE = "price_scale"
VOLUME_SCALE = "volume_scale"


@dataclass(frozen=True)
class BarGrid:
    """Bars of some instruments on consecutive sessions, wide: what a feature set computes from.

    Attributes:
        sessions: datetime64[D], shape (sessions,): every session, none left out.
        begins_at: int64, shape (instruments,): row of an instrument's first session. No window
            reaches before it, and its fields are NaN there.
        fields: Each of BAR_FIELDS -> float64 of shape (sessions, instruments), C-contiguous, NaN
            where the instrument was not traded. Never infinite.
        counts_from: First row whose values are read. Rows before it only feed windows: a set may
            leave them NaN, and computes the same bits from there on whatever this is.
    """

    sessions: np.ndarray
    begins_at: np.ndarray
    fields: Mapping[str, np.ndarray]
    counts_from: int = 0


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
        invariant_to: PRICE_SCALE, VOLUME_SCALE -> the features that do not keep their bits when all
            prices, or all volumes, are multiplied by a power of two, with the most they move;
            infinity for those that read the unit. A key that is absent declares nothing.
    """

    name: str
    definitions: Mapping[str, str]
    lookback: int
    compute: Callable[[BarGrid], np.ndarray]
    base: FeatureSet | None = None
    across: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    invariant_to: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Hash of names, definitions and lookback; every model is bound to it."""
        content = [*self.definitions.items(), ("lookback", str(self.lookback))]
        return f"{self.name}-{data_fingerprint(content)[:12]}"

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
            version=self.version,
        )
