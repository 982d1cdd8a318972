"""Fixed decile bins of what a model learned from, which drift is measured against later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.models.schema import FEATURE_REFERENCE

DECILES = 10
MISSING_BIN = -1


def values_to_reference(month: date, values: Mapping[tuple[str, str], np.ndarray]) -> pl.DataFrame:
    """Decile bins of each series.

    Args:
        month: First day of the month trained for.
        values: (kind, name) -> values, NaN where missing.

    Returns:
        FEATURE_REFERENCE rows. A value that fills several deciles makes fewer bins, each with the
        share that it really holds.
    """
    rows = [
        (month, kind, name, *row)
        for (kind, name), series in values.items()
        for row in _bins(series)
    ]
    frame = pl.DataFrame(rows, schema=FEATURE_REFERENCE.dtypes, orient="row")
    return conform_frame(frame, FEATURE_REFERENCE)


def bin_shares(values: np.ndarray, upper_edges: Sequence[float]) -> np.ndarray:
    """Share of `values` in each bin, shape (len(upper_edges) + 2,): the missing first.

    Bin i holds values up to and including `upper_edges[i]`; the last is open above. NaN throughout
    if there are no values.
    """
    if len(values) == 0:
        return np.full(len(upper_edges) + 2, np.nan)
    missing = int(np.count_nonzero(np.isnan(values)))
    # A handful of passes beats a binary search for each value.
    below = [int(np.count_nonzero(values <= edge)) for edge in upper_edges]
    counts = np.diff([0, *below, len(values) - missing])
    return np.concatenate([[missing], counts]) / len(values)


def _bins(values: np.ndarray) -> list[tuple[int, float | None, float]]:
    known = values[~np.isnan(values)]
    edges: list[float] = []
    if len(known):
        # "lower" picks values that occur, so an edge is exact in float32 and float64 alike.
        cuts = np.quantile(known, np.arange(1, DECILES) / DECILES, method="lower")
        edges = [float(cut) for cut in np.unique(cuts) if cut < known.max()]
    shares = np.nan_to_num(bin_shares(values, edges))
    uppers = [None, *edges, None]
    return [
        (number, upper, float(share))
        for number, (upper, share) in enumerate(zip(uppers, shares, strict=True), start=MISSING_BIN)
    ]
