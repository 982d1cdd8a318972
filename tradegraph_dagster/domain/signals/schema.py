"""Table and values of the signal stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema

FORECASTS = FrameSchema(
    name="forecasts",
    doc="Scores of the model that was champion as of the session.",
    columns={
        "session": Column(pl.Date, "trading date whose close the forecast has seen"),
        "symbol": Column(pl.String, "exchange code"),
        "score": Column(pl.Float64, "higher is better; comparable within a session only"),
        "model_version": Column(pl.String, "version in the registry"),
    },
)

TARGET_WEIGHTS = FrameSchema(
    name="target_weights",
    doc="The portfolio the strategy wants to hold in the next session.",
    columns={
        "session": Column(pl.Date, "session t; to be executed in t+1"),
        "symbol": Column(pl.String, "exchange code"),
        "weight_frac": Column(pl.Float64, "share of equity", "fraction"),
        "score": Column(pl.Float64, "forecast; null if it has none", nullable=True),
        "held_sessions": Column(pl.Int32, "sessions in the portfolio, 1 when new", "sessions"),
        "model_version": Column(pl.String, "champion as of t"),
    },
)


@dataclass(frozen=True)
class Strategy:
    """One entry of the strategy catalogue.

    `weigh` takes one session's candidates and holdings and returns the new holdings:

    candidates: symbol, score (null if none), is_member, is_suspended; sorted by symbol.
    holdings: symbol, weight_frac, held_sessions of the previous session; may be empty.
    returns: symbol, weight_frac, held_sessions; sorted by symbol.
    """

    name: str
    defaults: Mapping[str, Any]
    weigh: Callable[[pl.DataFrame, pl.DataFrame, Mapping[str, Any]], pl.DataFrame]
