"""Information coefficients of a forecast, one a session, and their mean with its error."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

MIN_NAMES = 10
# Of fewer spans of overlapping values the Newey-West error comes out much too small.
FEWEST_SPANS = 10

_ICS = {"session": pl.Date, "ic": pl.Float64, "rank_ic": pl.Float64, "names": pl.Int32}


class MeanWithError(NamedTuple):
    """A mean over sessions; null where there are too few values to say."""

    mean: float | None
    standard_error: float | None
    n: int


def session_ics(
    scores: pl.DataFrame, labels: pl.DataFrame, *, min_names: int = MIN_NAMES
) -> pl.DataFrame:
    """IC and RankIC of each session of `scores`, across the names that have a raw label.

    Args:
        scores: session, symbol, score; unique on (session, symbol).
        labels: session, symbol, label; a name whose label is null or NaN does not count.
        min_names: A session with fewer names has null coefficients.

    Returns:
        session, ic (Pearson), rank_ic (Spearman, average ranks), names; sorted by session. The
        coefficients are also null where scores or labels do not vary.
    """
    pairs = scores.select("session", "symbol", "score").join(
        labels.select("session", "symbol", "label"), on=["session", "symbol"], how="left"
    )
    parts = pairs.sort("session", "symbol").partition_by(
        "session", as_dict=True, maintain_order=True
    )
    rows = [(session, *_coefficients(part, min_names)) for (session,), part in parts.items()]
    return pl.DataFrame(rows, schema=_ICS, orient="row")


def tradable_ics(
    scores: pl.DataFrame, labels: pl.DataFrame, *, min_names: int = MIN_NAMES
) -> pl.DataFrame:
    """As `session_ics`, with the same across the names that could be bought at their entry.

    Args:
        scores: As in `session_ics`.
        labels: session, symbol, label, is_entry_tradable.
        min_names: As in `session_ics`.

    Returns:
        Its columns, and tradable_ic, tradable_rank_ic and tradable_names.
    """
    entered = labels.filter("is_entry_tradable")
    coefficients = session_ics(scores, entered, min_names=min_names)
    return session_ics(scores, labels, min_names=min_names).join(
        coefficients.rename({name: f"tradable_{name}" for name in ("ic", "rank_ic", "names")}),
        on="session",
    )


def mean_with_error(values: Iterable[float | None], *, overlap: int = 0) -> MeanWithError:
    """Mean of the values that are numbers, with a Newey-West standard error.

    Overlapping values have no error while they are fewer than FEWEST_SPANS spans of overlap + 1.

    Args:
        values: In order of time.
        overlap: Lags h with Bartlett weights 1 - k/(h+1). Labels of h sessions overlap in h-1
            lags. With 0 the error is the plain one, standard deviation (ddof 1) over root n.

    Source: Newey and West, Econometrica 55 (1987), with the small-sample factor n/(n-1).
    """
    numbers = np.array([value for value in values if _is_number(value)], dtype=np.float64)
    n = len(numbers)
    if n == 0:
        return MeanWithError(None, None, 0)
    mean = math.fsum(numbers) / n
    fewest = FEWEST_SPANS * (overlap + 1) if overlap else 2
    if n < fewest:
        return MeanWithError(mean, None, n)
    errors = numbers - mean
    variance = math.fsum(errors * errors)
    for lag in range(1, overlap + 1):
        weight = 1 - lag / (overlap + 1)
        variance += 2 * weight * math.fsum(errors[lag:] * errors[:-lag])
    return MeanWithError(mean, math.sqrt(max(variance, 0.0) / (n - 1) / n), n)


def _coefficients(part: pl.DataFrame, min_names: int) -> tuple[float | None, float | None, int]:
    score = part["score"].to_numpy().astype(np.float64)
    label = part["label"].to_numpy().astype(np.float64)
    known = np.isfinite(score) & np.isfinite(label)
    score, label = score[known], label[known]
    names = len(score)
    if names < max(min_names, 2):
        return None, None, names
    return _pearson(score, label), _pearson(_average_ranks(score), _average_ranks(label)), names


def _pearson(left: np.ndarray, right: np.ndarray) -> float | None:
    # Rounding can leave a constant array with a variance above zero; its range cannot.
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    left, right = left - left.mean(), right - right.mean()
    scale = math.sqrt(float(left @ left)) * math.sqrt(float(right @ right))
    return max(-1.0, min(1.0, float(left @ right) / scale)) if scale > 0 else None


def _average_ranks(values: np.ndarray) -> np.ndarray:
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    last: np.ndarray = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[position]
    return ranks


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
