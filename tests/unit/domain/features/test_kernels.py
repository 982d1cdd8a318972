"""Each rolling operator on numbers small enough to check by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.support.alpha158_oracle import random_fields
from tradegraph_dagster.domain.features import kernels

NAN = np.nan


def series(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def singles(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def newest(result: np.ndarray) -> list[float]:
    """The quantities of the window of five at the last row."""
    return result[..., 0, -1].tolist()


def approx(*values: float) -> object:
    return pytest.approx(list(values), nan_ok=True)


def test_mean_and_std_skip_what_is_missing() -> None:
    assert newest(kernels.mean_and_std(series(100, 1, NAN, 3, 5, NAN), 1)) == approx(3, 2)


def test_std_needs_two_values_and_is_exactly_zero_when_they_are_equal() -> None:
    assert newest(kernels.mean_and_std(series(7), 1)) == approx(7, NAN)
    assert newest(kernels.mean_and_std(series(1e8, *[0.1] * 5), 1))[1] == 0.0


def test_std_of_large_numbers_keeps_its_digits() -> None:
    assert newest(kernels.mean_and_std(series(1e9, 1e9 + 1, 1e9 + 2), 1)) == approx(1e9 + 1, 1)


def test_line_through_a_straight_line() -> None:
    found = newest(kernels.line(series(9, 2, 4, 6, 8, 10), 1))
    assert found == approx(6, math.sqrt(10), 2, 1, 0)


def test_line_keeps_the_place_of_a_missing_row() -> None:
    assert newest(kernels.line(series(2, NAN, NAN, 8, 10), 1))[2:4] == approx(2, 1)


def test_slope_is_known_where_the_newest_value_is_not() -> None:
    assert newest(kernels.line(series(1, 2, 3, 4, NAN), 1))[2:] == approx(1, 1, NAN)


def test_flat_window_has_no_r_squared() -> None:
    assert newest(kernels.line(series(3, 3, 3, 3), 1)) == approx(3, 0, 0, NAN, 0)
    assert np.isnan(newest(kernels.line(series(3, 3.00001, 3, 3), 1))[3])


@pytest.mark.parametrize(
    ("values", "top", "rows_since", "rows_since_gap"),
    [
        ((9, 1, 5, 2, 5, 3), 5, 3, -1),
        ((1, 2, 3), 3, 0, -1),
        ((1, NAN, 3, 9, NAN), 9, 1, 3),
        ((NAN, NAN), NAN, NAN, 1),
        ((NAN, 7, 1, 2, 3, 4), 7, 4, -1),
    ],
)
def test_oldest_of_equal_extremes_and_of_gaps_counts(
    values: tuple[float, ...], top: float, rows_since: float, rows_since_gap: float
) -> None:
    is_listed = np.ones(len(values), dtype=np.bool_)
    found = newest(kernels.highest(series(*values), is_listed, 1))
    assert found == approx(top, rows_since, rows_since_gap)


def test_rows_before_the_listing_are_no_gaps() -> None:
    is_listed = np.array([False, False, True, True])
    assert newest(kernels.highest(series(NAN, NAN, 2, 1), is_listed, 1)) == approx(2, 1, -1)


def test_quantiles_lie_between_neighbours_and_ranks_share_ties() -> None:
    values, with_gap = singles(4, 1, 3, 2, 2), singles(1, 2, NAN)
    assert newest(kernels.quantiles(values, 1)) == approx(3.2, 1.8)
    assert newest(kernels.quantiles(with_gap, 1)) == approx(1.8, 1.2)
    assert kernels.ranks(values, 1)[0].tolist() == pytest.approx([1, 0.5, 2 / 3, 0.5, 0.5])
    assert kernels.ranks(with_gap, 1)[0].tolist() == approx(1, 1, NAN)


def test_correlation_reads_complete_pairs() -> None:
    x, y = series(1, 2, NAN, 4, 5), series(5, 4, 9, 2, NAN)
    assert kernels.correlation(x, y, 1)[0, -1] == pytest.approx(-1)


def test_correlation_with_a_flat_series_is_missing() -> None:
    x, y = series(1, 2, 3), series(4, 4, 4)
    assert np.isnan(kernels.correlation(x, y, 1)).all()


def test_changes_are_counted_and_summed() -> None:
    found = kernels.rises_and_falls(series(NAN, 2, -1, 0, 3), 1)
    assert newest(found) == approx(4, 2, 1, 5, 1)


@pytest.mark.parametrize("instruments", [2, 3, 7])
def test_instruments_side_by_side_do_not_touch(instruments: int) -> None:
    closes = np.stack([random_fields(seed, rows=90)["close"] for seed in range(instruments)], 1)
    is_listed = np.ones(closes.size, dtype=np.bool_)

    def everything(x: np.ndarray, stride: int, listed: np.ndarray) -> np.ndarray:
        line = kernels.line(x, stride)
        single = x.astype(np.float32)
        blocks = [
            kernels.mean_and_std(x, stride),
            line,
            kernels.highest(x, listed, stride),
            kernels.rises_and_falls(x - 10, stride),
            kernels.ranks(single, stride)[np.newaxis],
            kernels.quantiles(single, stride),
            kernels.correlation(x, x * x, stride)[np.newaxis],
        ]
        return np.concatenate(blocks)

    together = everything(closes.reshape(-1).copy(), instruments, is_listed)
    for column in range(instruments):
        alone = everything(closes[:, column].copy(), 1, is_listed[: len(closes)])
        assert together[..., column::instruments].tobytes() == alone.tobytes()
