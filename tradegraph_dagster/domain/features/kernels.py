"""Rolling operators over one series: every window of WINDOWS ending at every row.

A kernel walks from each row back through at most 60 rows, newest first, and takes a snapshot when a
window is full or the series begins. Nothing is carried from one row to the next, so a value depends
on its own window only, bit for bit, wherever the series starts.

Series are float64, NaN where missing, and missing values are skipped; a window without a value
gives NaN. Results have shape (windows, rows), or (quantities, windows, rows). Sums of squares are
taken about the newest value of the window: exactly 0 for a constant window, and with an error of at
most a few thousand roundings, because no value of a window is further than sqrt(n) deviations away.
"""

from __future__ import annotations

import numpy as np

from tradegraph_dagster.domain.features.compiled import compiled

WINDOWS = (5, 10, 20, 30, 60)
# Lag at which a window goes on where the shorter one ended.
_RESUME = (0, 5, 10, 20, 30)
_FLAT_STD = 2e-5
_QUANTILES = (0.8, 0.2)


@compiled("f8[:,:,::1](f8[::1])")
def mean_and_std(x: np.ndarray) -> np.ndarray:
    """Mean, and sample standard deviation (ddof 1, NaN below two values)."""
    rows = len(x)
    result = np.full((2, len(WINDOWS), rows), np.nan)
    for t in range(rows):
        n = 0
        pivot = total = squares = 0.0
        for w in range(len(WINDOWS)):
            for lag in range(_RESUME[w], min(WINDOWS[w], t + 1)):
                value = x[t - lag]
                if value == value:
                    if n == 0:
                        pivot = value
                    n += 1
                    total += value - pivot
                    squares += (value - pivot) * (value - pivot)
            if n > 0:
                result[0, w, t] = pivot + total / n
            if n > 1:
                result[1, w, t] = np.sqrt(max(squares - total * total / n, 0.0) / (n - 1))
    return result


@compiled("f8[:,:,::1](f8[::1])")
def trend(x: np.ndarray) -> np.ndarray:
    """Least-squares line over time: slope a row, R squared, and the residual of the newest row.

    A missing value leaves its place in time empty. The slope is defined where the newest value is
    missing, the residual is not. R squared is NaN where the deviation is at most 2e-5.
    """
    rows = len(x)
    result = np.full((3, len(WINDOWS), rows), np.nan)
    for t in range(rows):
        n = 0
        pivot = total = squares = places = places_squared = product = 0.0
        for w in range(len(WINDOWS)):
            for lag in range(_RESUME[w], min(WINDOWS[w], t + 1)):
                value = x[t - lag]
                if value == value:
                    if n == 0:
                        pivot = value
                    n += 1
                    total += value - pivot
                    squares += (value - pivot) * (value - pivot)
                    places -= lag
                    places_squared += lag * lag
                    product -= lag * (value - pivot)
            if n > 1:
                spread = places_squared - places * places / n
                cross = product - places * total / n
                variation = squares - total * total / n
                slope = cross / spread
                result[0, w, t] = slope
                if np.sqrt(max(variation, 0.0) / (n - 1)) > _FLAT_STD:
                    result[1, w, t] = min(cross * cross / (spread * variation), 1.0)
                result[2, w, t] = (x[t] - pivot) - (total / n - slope * (places / n))
    return result


@compiled("f8[:,:,::1](f8[::1])")
def highest(x: np.ndarray) -> np.ndarray:
    """Largest value, and its place: 1 for the oldest row of the window; ties go to the oldest.

    If a value is missing, the place is that of the first missing one, as the reference has it.
    """
    rows = len(x)
    result = np.full((2, len(WINDOWS), rows), np.nan)
    for t in range(rows):
        top = -np.inf
        top_lag = gap_lag = -1
        for w in range(len(WINDOWS)):
            for lag in range(_RESUME[w], min(WINDOWS[w], t + 1)):
                value = x[t - lag]
                if value != value:
                    gap_lag = lag
                elif value >= top:
                    top = value
                    top_lag = lag
            if top_lag >= 0:
                result[0, w, t] = top
                found = top_lag if gap_lag < 0 else gap_lag
                result[1, w, t] = min(WINDOWS[w], t + 1) - found
    return result


@compiled("f8[:,:,::1](f8[::1])")
def order_statistics(x: np.ndarray) -> np.ndarray:
    """The 0.8 and 0.2 quantiles, linear between neighbours, and the newest value's rank in (0, 1].

    Ties share their average rank; the rank is NaN where the newest value is missing.
    """
    rows = len(x)
    result = np.full((3, len(WINDOWS), rows), np.nan)
    ordered = np.empty(WINDOWS[-1])
    for t in range(rows):
        n = below = equal = 0
        for w in range(len(WINDOWS)):
            for lag in range(_RESUME[w], min(WINDOWS[w], t + 1)):
                value = x[t - lag]
                if value == value:
                    place = n
                    while place > 0 and ordered[place - 1] > value:
                        ordered[place] = ordered[place - 1]
                        place -= 1
                    ordered[place] = value
                    n += 1
                    below += value < x[t]
                    equal += value == x[t]
            if n > 0:
                for q in range(len(_QUANTILES)):
                    position = _QUANTILES[q] * (n - 1)
                    low = int(position)
                    step = ordered[min(low + 1, n - 1)] - ordered[low]
                    result[q, w, t] = ordered[low] + step * (position - low)
                if x[t] == x[t]:
                    result[2, w, t] = (below + 0.5 * (equal + 1)) / n
    return result


@compiled("f8[:,::1](f8[::1],f8[::1],f8[:,::1],f8[:,::1])")
def correlation(x: np.ndarray, y: np.ndarray, std_x: np.ndarray, std_y: np.ndarray) -> np.ndarray:
    """Pearson correlation of the rows where both are present.

    NaN below two pairs, and where the deviation of either series over all its own values, `std_x`
    or `std_y` from `mean_and_std`, is at most 2e-5.
    """
    rows = len(x)
    result = np.full((len(WINDOWS), rows), np.nan)
    for t in range(rows):
        n = 0
        pivot_x = pivot_y = sum_x = sum_y = sum_xx = sum_yy = sum_xy = 0.0
        for w in range(len(WINDOWS)):
            for lag in range(_RESUME[w], min(WINDOWS[w], t + 1)):
                if x[t - lag] == x[t - lag] and y[t - lag] == y[t - lag]:
                    if n == 0:
                        pivot_x = x[t - lag]
                        pivot_y = y[t - lag]
                    n += 1
                    dx = x[t - lag] - pivot_x
                    dy = y[t - lag] - pivot_y
                    sum_x += dx
                    sum_y += dy
                    sum_xx += dx * dx
                    sum_yy += dy * dy
                    sum_xy += dx * dy
            if n > 1 and min(std_x[w, t], std_y[w, t]) > _FLAT_STD:
                spread = (sum_xx - sum_x * sum_x / n) * (sum_yy - sum_y * sum_y / n)
                if spread > 0.0:
                    share = (sum_xy - sum_x * sum_y / n) / np.sqrt(spread)
                    result[w, t] = min(max(share, -1.0), 1.0)
    return result


@compiled("f8[:,:,::1](f8[::1])")
def rises_and_falls(change: np.ndarray) -> np.ndarray:
    """Share of rows that rose, share that fell, sum of the rises, sum of the falls (positive).

    The shares are of all rows of the window: a missing change is neither a rise nor a fall, and
    counts. The sums are NaN where no change is present.
    """
    rows = len(change)
    result = np.full((4, len(WINDOWS), rows), np.nan)
    for t in range(rows):
        n = rises = falls = 0
        up = down = 0.0
        for w in range(len(WINDOWS)):
            length = min(WINDOWS[w], t + 1)
            for lag in range(_RESUME[w], length):
                value = change[t - lag]
                if value == value:
                    n += 1
                    if value > 0.0:
                        rises += 1
                        up += value
                    else:
                        falls += value < 0.0
                        down -= value
            result[0, w, t] = rises / length
            result[1, w, t] = falls / length
            if n > 0:
                result[2, w, t] = up
                result[3, w, t] = down
    return result
