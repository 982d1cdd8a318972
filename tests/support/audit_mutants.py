"""Feature sets with a fault put in, and the set without a fault they are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from tradegraph_dagster.domain.features.causality import Compute, Trial
from tradegraph_dagster.domain.features.causality_market import AuditMarket
from tradegraph_dagster.domain.features.schema import PRICE_SCALE, BarGrid, FeatureSet

NAMES = ("change5", "share5")
LOOKBACK = 5


def honest_values(grid: BarGrid) -> np.ndarray:
    """Close over the close five rows before, and the newest volume's share of the last five."""
    close, volume = grid.fields["close"], grid.fields["volume"]
    result = np.full((2, *close.shape), np.nan)
    result[0, LOOKBACK:] = close[LOOKBACK:] / close[:-LOOKBACK]
    padded = np.concatenate([np.zeros((4, close.shape[1])), np.nan_to_num(volume)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=0)
    with np.errstate(all="ignore"):
        result[1] = volume / windows.sum(axis=-1)
    return result.astype(np.float32)


HONEST = FeatureSet(
    name="honest",
    definitions={"change5": "close / ref(close, 5)", "share5": "volume / sum(volume, 5)"},
    lookback=LOOKBACK,
    compute=honest_values,
    invariant_to={PRICE_SCALE: {}},
)


def with_fault(fault: Callable[[BarGrid, np.ndarray], np.ndarray]) -> FeatureSet:
    """HONEST with its first feature passed through a fault (grid, values) -> values."""

    def compute(grid: BarGrid) -> np.ndarray:
        result = honest_values(grid)
        with np.errstate(all="ignore"):
            result[0] = fault(grid, result[0].astype(np.float64))
        return result

    return replace(HONEST, compute=compute)


def with_fault_across(fault: pl.Expr) -> FeatureSet:
    """HONEST compared across instruments, its first column an expression over many sessions."""

    def across(rows: pl.DataFrame) -> pl.DataFrame:
        changed = fault.cast(pl.Float32).fill_null(float("nan"))
        return rows.select("session", "symbol", change5=changed, share5=pl.col("share5"))

    return replace(HONEST, name="across", base=HONEST, across=across)


def remembering(compute: Compute) -> Compute:
    """Computes each market once; the markets must outlive it."""
    known: dict[tuple[int, int], np.ndarray] = {}

    def remembered(market: AuditMarket, first: int) -> np.ndarray:
        key = (id(market), first)
        if key not in known:
            known[key] = compute(market, first)
        return known[key]

    return remembered


def looking_ahead(trial: Trial, feature: int) -> Trial:
    """One feature alone, each row holding the next row's value and the last its own."""

    def compute(market: AuditMarket, first: int) -> np.ndarray:
        values = trial.compute(market, first)[feature : feature + 1].copy()
        values[:, :-1] = values[:, 1:].copy()
        return values

    return replace(trial, compute=compute)
