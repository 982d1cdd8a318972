"""Bars -> features: every instrument on the calendar's grid, then only the rows asked for.

1. `_placed_bars` numbers the sessions and blanks what was not traded.
2. `_grids` finds, for each instrument, the stretch of sessions its rows read.
3. `_grid_values` lays the bars out on those stretches, NaN where a session has no bar.
4. The feature set computes each stretch, and the rows of the sessions asked for are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, check_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.features.schema import BAR_FIELDS, BarGrid, FeatureSet


def bars_to_features(
    bars: pl.DataFrame,
    feature_set: FeatureSet,
    *,
    sessions: Sequence[date],
    calendar: SessionCalendar,
    history_begins: date | None = None,
) -> pl.DataFrame:
    """Compute the features of every instrument with a bar on a session.

    A suspended session, a session without a bar and one without volume all are rows of NaN that
    take their place in the windows. An instrument's first window begins on its listing session, or
    where history begins, never on its first bar: so a session computed from its own window equals
    the same session computed in a range, bit for bit, also when rows at the window's start are
    missing.

    Timing: row t reads sessions <= t, and is ready after t's close.

    Args:
        bars: VALIDATED_BARS rows of `feature_set.lookback` sessions before each session asked for,
            as far as history goes, and of the session itself.
        feature_set: What to compute.
        sessions: Sessions to return; suspended instruments are included.
        calendar: Counts the sessions.
        history_begins: No window reaches before it; the first session of `bars` if not given.

    Returns:
        Rows of `feature_set.schema`, float32, NaN where missing.
    """
    if bars.is_empty() or not sessions:
        return feature_set.schema.empty()
    earliest = history_begins or bars.get_column("session").to_list()[0]
    reach = calendar.trailing(min(sessions), feature_set.lookback + 1)[0]
    placed = _placed_bars(bars, calendar.between(max(reach, earliest), max(sessions)))
    targets = (
        placed.filter(pl.col("session").is_in(list(sessions)))
        .sort(SESSION_SYMBOL)
        .with_row_index("row")
    )
    grids = _grids(targets)
    values = _grid_values(placed, grids)
    names = list(feature_set.definitions)
    columns = np.empty((len(names), targets.height), dtype=np.float32)
    for offset, length, rows, places in _target_places(targets, grids):
        grid = BarGrid(
            np.arange(length).astype("datetime64[D]"),
            np.zeros(1, dtype=np.int64),
            {name: array[offset : offset + length, np.newaxis] for name, array in values.items()},
        )
        columns[:, rows] = feature_set.compute(grid)[:, places - offset, 0]
    frame = targets.select(SESSION_SYMBOL).with_columns(
        pl.Series(name, column) for name, column in zip(names, columns, strict=True)
    )
    return check_frame(frame, feature_set.schema)


def _placed_bars(bars: pl.DataFrame, window: Sequence[date]) -> pl.DataFrame:
    """Bars with `at`, their place in `window`, and `begins_at`, their listing's place or 0."""
    places = pl.DataFrame({"session": window}, schema={"session": pl.Date}).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("at")
    )
    is_traded = ~pl.col("is_suspended") & (pl.col("volume") > 0).fill_null(False)
    listed_at = pl.col("at") - pl.max_horizontal(pl.col("sessions_listed").cast(pl.Int64), 1) + 1
    return bars.join(places, on="session").select(
        *SESSION_SYMBOL,
        "at",
        pl.max_horizontal(listed_at, 0).alias("begins_at"),
        *(pl.when(is_traded).then(pl.col(name)).alias(name) for name in BAR_FIELDS),
    )


def _grids(targets: pl.DataFrame) -> pl.DataFrame:
    """One stretch of sessions for each listing: begins_at, ends_at, length, and its offset.

    A symbol that was listed twice has two, and neither reads the other's bars.
    """
    return (
        targets.group_by("symbol", "begins_at")
        .agg(pl.col("at").max().alias("ends_at"))
        .sort("symbol", "begins_at")
        .with_columns((pl.col("ends_at") - pl.col("begins_at") + 1).alias("length"))
        .with_columns((pl.col("length").cum_sum() - pl.col("length")).alias("offset"))
    )


def _grid_values(placed: pl.DataFrame, grids: pl.DataFrame) -> dict[str, np.ndarray]:
    """Each field of all grids, one behind the other, NaN where a session has no bar."""
    laid = (
        placed.drop("begins_at")
        .join(grids, on="symbol")
        .filter(pl.col("at").is_between(pl.col("begins_at"), pl.col("ends_at")))
    )
    position = laid.select(pl.col("offset") + pl.col("at") - pl.col("begins_at")).to_series()
    total = int(grids.get_column("length").sum())
    values = {}
    for name in BAR_FIELDS:
        array = np.full(total, np.nan)
        array[position.to_numpy()] = laid.get_column(name).cast(pl.Float64).to_numpy()
        values[name] = array
    return values


def _target_places(
    targets: pl.DataFrame, grids: pl.DataFrame
) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """For each grid: its offset, its length, the result rows it fills, and their places."""
    placed = (
        targets.select("row", "at", "symbol", "begins_at")
        .join(grids, on=["symbol", "begins_at"])
        .select("row", (pl.col("offset") + pl.col("at") - pl.col("begins_at")).alias("place"))
        .sort("place")
    )
    rows, places = placed.get_column("row").to_numpy(), placed.get_column("place").to_numpy()
    offsets, lengths = grids.get_column("offset").to_list(), grids.get_column("length").to_list()
    starts = np.searchsorted(places, [*offsets, sum(lengths)])
    return [
        (offset, length, rows[start:stop], places[start:stop])
        for offset, length, start, stop in zip(
            offsets, lengths, starts[:-1], starts[1:], strict=True
        )
    ]
