"""Grids of bars for feature sets, and the values of one instrument alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tradegraph_dagster.domain.features.schema import BarGrid, FeatureSet

FIRST_SESSION = np.datetime64("2020-01-02")


def one_instrument_grid(fields: Mapping[str, np.ndarray], first_row: int = 0) -> BarGrid:
    """A grid of one instrument; `first_row` is where its first row lies among all sessions."""
    rows = len(next(iter(fields.values())))
    weekdays = np.busday_offset(FIRST_SESSION, np.arange(first_row, first_row + rows))
    return BarGrid(
        weekdays.astype("datetime64[D]"),
        np.zeros(1, dtype=np.int64),
        {name: np.ascontiguousarray(values)[:, np.newaxis] for name, values in fields.items()},
    )


def features_of(
    feature_set: FeatureSet, fields: Mapping[str, np.ndarray], first_row: int = 0
) -> np.ndarray:
    """float32 of shape (rows, features)."""
    return feature_set.compute(one_instrument_grid(fields, first_row))[:, :, 0].T
