"""A session's instruments against each other: rank and z-score of every feature, by industry.

An instrument is compared with those of its session that are in its industry as known then.
Instruments without a known industry are compared with each other: where no industry is known, that
is the whole session.

Values are sorted before they are summed. So a result depends on the values of its group alone, bit
for bit: not on the order or the names of the instruments, not on other groups or sessions, and not
on members whose value is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.features.compiled import compiled

# A comparison takes two.
FEWEST = 2
_SIGN = np.uint64(0x80000000)
_INFINITE = np.uint64(0x7F800000)
_LOW = _MISSING = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def compare_instruments(rows: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    """Rank and z-score of each feature among the instruments of a session and industry.

    A missing or infinite value takes no part and gives NaN, as does one that is alone in its group.
    Ties share their average rank. Where all values of a group are equal, both are 0.

    Args:
        rows: `session`, `symbol`, `industry` (null if unknown) and the features, float32; every
            instrument of each session. The order does not matter.
        features: Which columns to compare.

    Returns:
        The same rows in the same order: `session`, `symbol`, and for each feature the columns
        `<feature>_rank`, (rank - 0.5) / n - 0.5 with ranks from 1 to n, so between -0.5 and 0.5
        with mean 0 whatever n is, and `<feature>_zscore`, (x - mean) / std with ddof 1; float32.

    Source: the z-score is qlib's CSZScoreNorm, and the rank its CSRankNorm, unscaled and half a
    rank lower so that the mean is 0; qlib/data/dataset/processor.py at d5379c5.
    """
    values = np.stack([rows.get_column(name).to_numpy() for name in features])
    scores = np.full((len(features), 2, rows.height), np.nan, dtype=np.float32)
    groups = rows.with_row_index("row").group_by("session", "industry").agg("row")
    for members in groups.get_column("row"):
        _score_group(values, members.cast(pl.Int64).to_numpy(writable=True), scores)
    return rows.select(SESSION_SYMBOL).hstack(
        [
            pl.Series(f"{name}_{kind}", column)
            for name, both in zip(features, scores, strict=True)
            for kind, column in zip(("rank", "zscore"), both, strict=True)
        ]
    )


def _score_group(values: np.ndarray, members: np.ndarray, scores: np.ndarray) -> None:
    """Fill in both numbers of one group's known values, all features.

    A value's key and its place make one whole number: NumPy sorts these in half the time that
    `argsort` takes for the values.
    """
    keyed = np.empty((len(values), len(members)), dtype=np.uint64)
    counts = np.empty(len(values), dtype=np.int64)
    _key_values(values.view(np.uint32), members, keyed, counts)
    keyed.sort(axis=1)
    _fill_scores(values, members, keyed, counts, scores)


@compiled("void(u4[:,::1],i8[::1],u8[:,::1],i8[::1])")
def _key_values(
    bits: np.ndarray, members: np.ndarray, keyed: np.ndarray, counts: np.ndarray
) -> None:
    """Whole numbers that order as the values do, with their places; counts those that are known."""
    for feature in range(len(bits)):
        counts[feature] = 0
        for place in range(len(members)):
            pattern = np.uint64(bits[feature, members[place]])
            if pattern & _INFINITE == _INFINITE:
                key = _MISSING
            else:
                counts[feature] += 1
                # Below 0 a larger pattern is a smaller value.
                key = _LOW - pattern if pattern & _SIGN else _SIGN | pattern
            keyed[feature, place] = key << _HALF | np.uint64(place)


@compiled("void(f4[:,::1],i8[::1],u8[:,::1],i8[::1],f4[:,:,::1])")
def _fill_scores(
    values: np.ndarray,
    members: np.ndarray,
    keyed: np.ndarray,
    counts: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Write both numbers of each known value, from float64 sums in ascending order."""
    rows = np.empty(len(members), dtype=np.int64)
    ordered = np.empty(len(members))
    for feature in range(len(values)):
        count = counts[feature]
        if count < FEWEST:
            continue
        for k in range(count):
            rows[k] = members[np.int64(keyed[feature, k] & _LOW)]
            ordered[k] = values[feature, rows[k]]
        total = squares = 0.0
        for k in range(count):
            total += ordered[k]
        mean = total / count
        for k in range(count):
            squares += (ordered[k] - mean) * (ordered[k] - mean)
        std = np.sqrt(squares / (count - 1))
        is_flat = ordered[0] == ordered[count - 1]
        start = 0
        while start < count:
            stop = start + 1
            while stop < count and ordered[stop] == ordered[start]:
                stop += 1
            score = 0.0 if is_flat else (ordered[start] - mean) / std
            for k in range(start, stop):
                scores[feature, 0, rows[k]] = (start + stop - count) / (2.0 * count)
                scores[feature, 1, rows[k]] = score
            start = stop
