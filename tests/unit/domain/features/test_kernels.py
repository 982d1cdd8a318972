"""Each rolling operator on numbers small enough to check by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.alpha158_oracle import random_fields
from tradegraph_dagster.domain.features import kernels

NAN = np.nan
ONE_SERIES = (
    kernels.mean_and_std,
    kernels.trend,
    kernels.highest,
    kernels.order_statistics,
    kernels.rises_and_falls,
)


def series(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def newest(result: np.ndarray) -> list[float]:
    """The quantities of the window of five at the last row."""
    return result[..., 0, -1].tolist()


def approx(*values: float) -> object:
    return pytest.approx(list(values), nan_ok=True)


def test_mean_and_std_skip_what_is_missing() -> None:
    assert newest(kernels.mean_and_std(series(100, 1, NAN, 3, 5, NAN))) == approx(3, 2)


def test_std_needs_two_values_and_is_exactly_zero_when_they_are_equal() -> None:
    assert newest(kernels.mean_and_std(series(7))) == approx(7, NAN)
    assert newest(kernels.mean_and_std(series(1e8, *[0.1] * 5)))[1] == 0.0


def test_std_of_large_numbers_keeps_its_digits() -> None:
    assert newest(kernels.mean_and_std(series(1e9, 1e9 + 1, 1e9 + 2))) == approx(1e9 + 1, 1)


def test_trend_of_a_straight_line() -> None:
    assert newest(kernels.trend(series(9, 2, 4, 6, 8, 10))) == approx(2, 1, 0)


def test_trend_keeps_the_place_of_a_missing_row() -> None:
    assert newest(kernels.trend(series(2, NAN, NAN, 8, 10)))[:2] == approx(2, 1)


def test_slope_is_known_where_the_newest_value_is_not() -> None:
    assert newest(kernels.trend(series(1, 2, 3, 4, NAN))) == approx(1, 1, NAN)


def test_flat_window_has_no_r_squared() -> None:
    assert newest(kernels.trend(series(3, 3, 3, 3))) == approx(0, NAN, 0)
    assert np.isnan(newest(kernels.trend(series(3, 3.00001, 3, 3)))[1])


@pytest.mark.parametrize(
    ("values", "top", "place"),
    [
        ((9, 1, 5, 2, 5, 3), 5, 2),
        ((1, 2, 3), 3, 3),
        ((1, NAN, 3, 9, NAN), 9, 2),
        ((NAN, NAN), NAN, NAN),
    ],
)
def test_place_is_counted_from_the_oldest_row(
    values: tuple[float, ...], top: float, place: float
) -> None:
    assert newest(kernels.highest(series(*values))) == approx(top, place)


def test_quantiles_lie_between_neighbours_and_rank_shares_ties() -> None:
    assert newest(kernels.order_statistics(series(4, 1, 3, 2, 2))) == approx(3.2, 1.8, 0.5)
    assert newest(kernels.order_statistics(series(1, 2, NAN))) == approx(1.8, 1.2, NAN)


def test_correlation_reads_complete_pairs() -> None:
    x, y = series(1, 2, NAN, 4, 5), series(5, 4, 9, 2, NAN)
    std_x, std_y = kernels.mean_and_std(x)[1], kernels.mean_and_std(y)[1]
    assert kernels.correlation(x, y, std_x, std_y)[0, -1] == pytest.approx(-1)


def test_correlation_with_a_flat_series_is_missing() -> None:
    x, y = series(1, 2, 3), series(4, 4, 4)
    std_x, std_y = kernels.mean_and_std(x)[1], kernels.mean_and_std(y)[1]
    assert np.isnan(kernels.correlation(x, y, std_x, std_y)).all()


def test_missing_change_counts_as_a_row() -> None:
    found = kernels.rises_and_falls(series(NAN, 2, -1, 0, 3))
    assert newest(found) == approx(0.4, 0.2, 5, 1)


@pytest.mark.parametrize("kernel", ONE_SERIES, ids=lambda kernel: kernel.__name__)
def test_plain_python_gives_the_same_bits(kernel: Callable[..., np.ndarray]) -> None:
    close = random_fields(11, rows=90)["close"]
    plain = kernel.py_func(close)  # type: ignore[attr-defined]
    assert plain.tobytes() == kernel(close).tobytes()


def test_plain_python_correlation_gives_the_same_bits() -> None:
    fields = random_fields(11, rows=90)
    x, y = fields["close"], fields["volume"]
    std_x, std_y = kernels.mean_and_std(x)[1], kernels.mean_and_std(y)[1]
    plain = kernels.correlation.py_func(x, y, std_x, std_y)  # type: ignore[attr-defined]
    assert plain.tobytes() == kernels.correlation(x, y, std_x, std_y).tobytes()
