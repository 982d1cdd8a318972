"""Frames -> the arrays a learner takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.datasets.schema import Dataset
from tradegraph_dagster.domain.features.schema import FeatureSet


def frames_to_dataset(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    universe: pl.DataFrame,
    feature_set: FeatureSet,
    sessions: Sequence[date],
) -> Dataset:
    """Join features, labels and membership into rows to learn from or to judge by.

    Args:
        features: Rows of `feature_set.schema`.
        labels: LABELS rows of one horizon.
        universe: UNIVERSE rows; who is no member on a session is left out.
        feature_set: Whose columns become x, in its order.
        sessions: Sessions to keep.

    Returns:
        Rows with a label, sorted by (session, symbol); y is the raw label.
    """
    rows = features.join(rows_to_learn(labels, universe, sessions), on=SESSION_SYMBOL).sort(
        SESSION_SYMBOL
    )
    names = tuple(feature_set.definitions)
    return Dataset(
        x=rows.select(names).to_numpy(order="c").astype(np.float32, copy=False),
        y=rows.get_column("label").to_numpy().astype(np.float64, copy=False),
        is_entry_tradable=rows.get_column("is_entry_tradable").to_numpy(),
        sessions=rows.get_column("session").to_numpy().astype("datetime64[D]"),
        symbols=rows.get_column("symbol").to_numpy().astype(np.str_),
        feature_names=names,
        feature_set_version=feature_set.version,
    )


def rows_to_learn(
    labels: pl.DataFrame, universe: pl.DataFrame, sessions: Sequence[date]
) -> pl.DataFrame:
    """Labels of members that have one, on the sessions given.

    Rows that could not be entered are kept, as in qlib: which they are is not known before the
    entry's close, so learning without them would be learning from rows chosen with hindsight. The
    evaluation shows both figures.
    """
    members = universe.filter("is_member").select(SESSION_SYMBOL)
    return (
        labels.filter(pl.col("session").is_in(list(sessions)), pl.col("label").is_finite())
        .join(members, on=SESSION_SYMBOL, how="semi")
        .select(*SESSION_SYMBOL, "label", "is_entry_tradable")
    )


def standardise_label(dataset: Dataset) -> Dataset:
    """Replace the label by its z-score within its session (sample deviation, ddof 1).

    It is what LightGBM learns on, so that a day on which everything moved weighs no more than
    another; a forecast is judged against the raw label. A session of one name, or whose labels are
    all equal, says nothing about names: its labels become 0.

    Source: qlib CSZScoreNorm, qlib/data/dataset/processor.py at d5379c5.
    """
    scores = np.zeros_like(dataset.y)
    starts = np.unique(dataset.sessions, return_index=True)[1]
    for start, stop in zip(starts, [*starts[1:], len(scores)], strict=True):
        labels = dataset.y[start:stop]
        if labels.min() < labels.max():
            scores[start:stop] = (labels - labels.mean()) / labels.std(ddof=1)
    return replace(dataset, y=scores)
