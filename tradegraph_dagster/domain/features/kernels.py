"""Rolling operators: every window of WINDOWS ending at every row, for many instruments in one call.

The statistics of a window are merged from those of two shorter windows, one behind the other:
1 + 1 = 2, 2 + 2 = 4, 4 + 1 = 5, then 10, 20, 30 and 60. A value therefore depends on the rows of
its own window only, and comes from the same additions wherever the data begins: the last row of a
61-row tail has the bits it has in the whole history. Each merge is one loop over all rows, which
the compiler turns into vector instructions. Ranks compare the newest value with each earlier one,
and quantiles keep the window's values sorted: neither adds up anything that could be left over.

Squares and products are kept about each part's own mean (Chan, Golub and LeVeque, 1983), so the
deviation of a constant window is exactly 0 and a price of 1,000 does not drown a move of 0.001.

Series are flat arrays of a grid of shape (sessions, instruments), float64, or float32 where values
are only compared, NaN where missing: the row before is `stride` places before, `stride` being the
number of instruments. Missing values are skipped, and a window without a value gives NaN. Results
have shape (quantities, windows, rows).
"""

from __future__ import annotations

import numpy as np

from tradegraph_dagster.domain.features.compiled import compiled

WINDOWS = (5, 10, 20, 30, 60)
# Of each part after the first: the newer part, the older one, and the rows between their ends.
# Parts 0 to 7 span 1, 2, 4, 5, 10, 20, 30 and 60 rows.
_MERGES = ((0, 0, 1), (1, 1, 2), (2, 0, 4), (3, 3, 5), (4, 4, 10), (5, 4, 20), (6, 6, 30))
_PARTS = len(_MERGES) + 1
# The part that is the first window.
_FIRST = 3
# Where a deviation is at most this, correlation and R squared are missing, as the reference has it.
FLAT_STD = 2e-5
_QUANTILES = (0.8, 0.2)
# Single-precision numbers of the widest vector in use.
_VECTOR = 16
_MOST_CELLS = 64


@compiled("void(f8[::1],f8[::1],f8[::1],i8)")
def _merge_sums(newer: np.ndarray, older: np.ndarray, merged: np.ndarray, lag: int) -> None:
    start = min(lag, len(newer))
    merged[:start] = newer[:start]
    a, b, out = newer[start:], older[: len(older) - start], merged[start:]
    for i in range(len(a)):
        out[i] = a[i] + b[i]


@compiled("void(f8[:,::1],f8[:,::1],f8[::1],UniTuple(i8,4),i8)")
def _merge_products(
    newer: np.ndarray,
    older: np.ndarray,
    merged: np.ndarray,
    of: tuple[int, int, int, int],
    lag: int,
) -> None:
    """Merge a sum of products about the means.

    Quantity 0 counts; `of` are the quantities that are the sum of x, that of y, that of y in the
    older part, and the products.
    """
    x, y, y_old, product = of
    start = min(lag, len(merged))
    rest = len(merged) - start
    merged[:start] = newer[product, :start]
    na, xa, ya, a = newer[0, start:], newer[x, start:], newer[y, start:], newer[product, start:]
    nb, xb, yb, b = older[0, :rest], older[x, :rest], older[y_old, :rest], older[product, :rest]
    out = merged[start:]
    for i in range(rest):
        weight = na[i] * nb[i] * (na[i] + nb[i])
        apart_x = xa[i] * nb[i] - xb[i] * na[i]
        apart_y = ya[i] * nb[i] - yb[i] * na[i]
        out[i] = a[i] + b[i] + (apart_x * apart_y / weight if weight > 0.0 else 0.0)


@compiled("void(f8[::1],f8[:,::1])")
def _count_and_sum(x: np.ndarray, part: np.ndarray) -> None:
    count, total = part[0], part[1]
    for i in range(len(x)):
        count[i] = 1.0 if x[i] == x[i] else 0.0
    for i in range(len(x)):
        total[i] = x[i] if x[i] == x[i] else 0.0


@compiled("void(f8[::1],f8[::1],f8[::1])")
def _deviation(count: np.ndarray, squares: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(out)):
        out[i] = np.sqrt(squares[i] / (count[i] - 1.0)) if count[i] > 1.0 else np.nan


@compiled("f8[:,:,::1](f8[::1],i8)")
def mean_and_std(x: np.ndarray, stride: int) -> np.ndarray:
    """Mean, and sample standard deviation (ddof 1, NaN below two values)."""
    parts = np.zeros((_PARTS, 3, len(x)))
    _count_and_sum(x, parts[0])
    for k in range(len(_MERGES)):
        new, old, rows = _MERGES[k]
        lag = rows * stride
        _merge_sums(parts[new, 0], parts[old, 0], parts[k + 1, 0], lag)
        _merge_sums(parts[new, 1], parts[old, 1], parts[k + 1, 1], lag)
        _merge_products(parts[new], parts[old], parts[k + 1, 2], (1, 1, 1, 2), lag)
    result = np.empty((2, len(WINDOWS), len(x)))
    for w in range(len(WINDOWS)):
        part = parts[_FIRST + w]
        result[0, w] = part[1] / part[0]
        _deviation(part[0], part[2], result[1, w])
    return result


@compiled("void(f8[:,::1],i8)")
def _add_rows(part: np.ndarray, rows: int) -> None:
    count, lags, squared_lags = part[0], part[2], part[3]
    out, squared_out = part[6], part[7]
    for i in range(len(count)):
        out[i] = lags[i] + rows * count[i]
    for i in range(len(count)):
        squared_out[i] = squared_lags[i] + 2 * rows * lags[i] + rows * rows * count[i]


@compiled("void(f8[::1],f8[:,::1],f8[:,:])")
def _fit(x: np.ndarray, part: np.ndarray, fitted: np.ndarray) -> None:
    count, lags, squared_lags, squares, products = part[0], part[2], part[3], part[4], part[5]
    mean, std, slope, rsquare, residual = fitted
    for i in range(len(x)):
        spread = squared_lags[i] - lags[i] * lags[i] / count[i]
        slope[i] = -products[i] / spread if count[i] > 1.0 else np.nan
    for i in range(len(x)):
        # Time runs against the lag: the newest row lies at minus the mean lag from the middle.
        residual[i] = (x[i] - mean[i]) - slope[i] * (lags[i] / count[i])
    for i in range(len(x)):
        spread = squared_lags[i] - lags[i] * lags[i] / count[i]
        share = min(products[i] * products[i] / (spread * squares[i]), 1.0)
        rsquare[i] = share if std[i] > FLAT_STD else np.nan


@compiled("f8[:,:,::1](f8[::1],i8)")
def line(x: np.ndarray, stride: int) -> np.ndarray:
    """Mean, std, and the least-squares line over time: slope a row, R squared, last residual.

    A missing value leaves its place in time empty. The slope is defined where the newest value is
    missing, the residual is not. R squared is NaN where the deviation is at most FLAT_STD.
    """
    size = len(x)
    # Counts, sums of x, of lags and of squared lags, squares of x, and x times lags; then the two
    # sums of lags as they are seen from where the newer part ends.
    parts = np.zeros((_PARTS, 8, size))
    _count_and_sum(x, parts[0])
    for k in range(len(_MERGES)):
        new, old, rows = _MERGES[k]
        lag = rows * stride
        newer, older, merged = parts[new], parts[old], parts[k + 1]
        _add_rows(older, rows)
        _merge_sums(newer[0], older[0], merged[0], lag)
        _merge_sums(newer[1], older[1], merged[1], lag)
        _merge_sums(newer[2], older[6], merged[2], lag)
        _merge_sums(newer[3], older[7], merged[3], lag)
        _merge_products(newer, older, merged[4], (1, 1, 1, 4), lag)
        _merge_products(newer, older, merged[5], (1, 2, 6, 5), lag)
    result = np.empty((5, len(WINDOWS), size))
    for w in range(len(WINDOWS)):
        part = parts[_FIRST + w]
        result[0, w] = part[1] / part[0]
        _deviation(part[0], part[4], result[1, w])
        _fit(x, part, result[:, w])
    return result


@compiled("void(f8[:,::1],f8[::1],f8[::1],f8[::1])")
def _correlate(part: np.ndarray, std_x: np.ndarray, std_y: np.ndarray, out: np.ndarray) -> None:
    count, squares_x, squares_y, products = part[0], part[3], part[4], part[5]
    for i in range(len(out)):
        share = products[i] / np.sqrt(squares_x[i] * squares_y[i])
        out[i] = min(max(share, -1.0), 1.0)
    for i in range(len(out)):
        is_spread = min(std_x[i], std_y[i]) > FLAT_STD and squares_x[i] * squares_y[i] > 0.0
        out[i] = out[i] if is_spread and count[i] > 1.0 else np.nan


@compiled("f8[:,::1](f8[::1],f8[::1],i8)")
def correlation(x: np.ndarray, y: np.ndarray, stride: int) -> np.ndarray:
    """Pearson correlation of the rows where both are present.

    NaN below two pairs, and where the deviation of either series over all its own values is at most
    FLAT_STD.
    """
    size = len(x)
    # Counts, sums of x and of y, squares of x and of y, and x times y.
    parts = np.zeros((_PARTS, 6, size))
    unpaired = 0
    for i in range(size):
        is_pair = x[i] == x[i] and y[i] == y[i]
        parts[0, 0, i] = 1.0 if is_pair else 0.0
        parts[0, 1, i] = x[i] if is_pair else 0.0
        parts[0, 2, i] = y[i] if is_pair else 0.0
        unpaired += int((x[i] == x[i]) != (y[i] == y[i]))
    for k in range(len(_MERGES)):
        new, old, rows = _MERGES[k]
        lag = rows * stride
        newer, older, merged = parts[new], parts[old], parts[k + 1]
        for q in range(3):
            _merge_sums(newer[q], older[q], merged[q], lag)
        _merge_products(newer, older, merged[3], (1, 1, 1, 3), lag)
        _merge_products(newer, older, merged[4], (2, 2, 2, 4), lag)
        _merge_products(newer, older, merged[5], (1, 2, 2, 5), lag)
    stds = np.empty((2, len(WINDOWS), size))
    if unpaired > 0:
        stds[0] = mean_and_std(x, stride)[1]
        stds[1] = mean_and_std(y, stride)[1]
    else:
        # Each series' own values are those of the pairs, and come from the same merges.
        for w in range(len(WINDOWS)):
            part = parts[_FIRST + w]
            _deviation(part[0], part[3], stds[0, w])
            _deviation(part[0], part[4], stds[1, w])
    result = np.empty((len(WINDOWS), size))
    for w in range(len(WINDOWS)):
        _correlate(parts[_FIRST + w], stds[0, w], stds[1, w], result[w])
    return result


@compiled("void(f8[:,::1],f8[:,::1],f8[:,::1],i8,i8)")
def _merge_highest(
    newer: np.ndarray, older: np.ndarray, merged: np.ndarray, lag: int, rows: int
) -> None:
    start = min(lag, newer.shape[1])
    rest = newer.shape[1] - start
    merged[:, :start] = newer[:, :start]
    top_a, since_a, gap_a = newer[0, start:], newer[1, start:], newer[2, start:]
    top_b, since_b, gap_b = older[0, :rest], older[1, :rest], older[2, :rest]
    top, since, gap = merged[0, start:], merged[1, start:], merged[2, start:]
    for i in range(rest):
        top[i] = top_b[i] if top_b[i] >= top_a[i] else top_a[i]
    for i in range(rest):
        since[i] = since_b[i] + rows if top_b[i] >= top_a[i] else since_a[i]
    for i in range(rest):
        gap[i] = gap_b[i] + rows if gap_b[i] >= 0.0 else gap_a[i]


@compiled("f8[:,:,::1](f8[::1],b1[::1],i8)")
def highest(x: np.ndarray, is_listed: np.ndarray, stride: int) -> np.ndarray:
    """Largest value, the rows since it, and the rows since the oldest missing value, -1 if none.

    Of equal values the oldest counts. Rows before the listing are not missing values.
    """
    size = len(x)
    parts = np.zeros((_PARTS, 3, size))
    for i in range(size):
        parts[0, 0, i] = x[i] if x[i] == x[i] else -np.inf
        parts[0, 2, i] = 0.0 if x[i] != x[i] and is_listed[i] else -1.0
    for k in range(len(_MERGES)):
        new, old, rows = _MERGES[k]
        _merge_highest(parts[new], parts[old], parts[k + 1], rows * stride, rows)
    result = np.empty((3, len(WINDOWS), size))
    for w in range(len(WINDOWS)):
        part = parts[_FIRST + w]
        top, rows_since = result[0, w], result[1, w]
        for i in range(size):
            top[i] = part[0, i] if part[0, i] > -np.inf else np.nan
        for i in range(size):
            rows_since[i] = part[1, i] if part[0, i] > -np.inf else np.nan
        result[2, w] = part[2]
    return result


@compiled("f8[:,:,::1](f8[::1],i8)")
def rises_and_falls(change: np.ndarray, stride: int) -> np.ndarray:
    """Rows with a change, that rose, that fell; sum of the rises, sum of the falls (positive).

    Counts are 0, not NaN, where no change is present; so are the sums.
    """
    size = len(change)
    parts = np.empty((_PARTS, 5, size))
    present, rose, fell, up, down = parts[0]
    for i in range(size):
        present[i] = 1.0 if change[i] == change[i] else 0.0
    for i in range(size):
        rose[i] = 1.0 if change[i] > 0.0 else 0.0
    for i in range(size):
        fell[i] = 1.0 if change[i] < 0.0 else 0.0
    for i in range(size):
        up[i] = change[i] if change[i] > 0.0 else 0.0
    for i in range(size):
        down[i] = -change[i] if change[i] < 0.0 else 0.0
    for k in range(len(_MERGES)):
        new, old, rows = _MERGES[k]
        for q in range(5):
            _merge_sums(parts[new, q], parts[old, q], parts[k + 1, q], rows * stride)
    result = np.empty((5, len(WINDOWS), size))
    for w in range(len(WINDOWS)):
        result[:, w] = parts[_FIRST + w]
    return result


@compiled("void(f4[::1],f4[::1],f4[::1],f4[::1])")
def _add_comparison(
    newest: np.ndarray, older: np.ndarray, below: np.ndarray, present: np.ndarray
) -> None:
    half, one, zero = np.float32(0.5), np.float32(1.0), np.float32(0.0)
    for i in range(len(newest)):
        less_or_equal = half if older[i] <= newest[i] else zero
        less = half if older[i] < newest[i] else zero
        below[i] += less_or_equal + less
    for i in range(len(newest)):
        present[i] += one if older[i] == older[i] else zero


@compiled("f8[:,::1](f4[::1],i8)")
def ranks(x: np.ndarray, stride: int) -> np.ndarray:
    """The newest value's rank among the window's values, in (0, 1]; ties share their average rank.

    NaN where the newest value is missing.
    """
    size = len(x)
    result = np.empty((len(WINDOWS), size))
    # Values below the newest, equal ones as a half; and values present. Exact in float32.
    below, present = np.zeros(size, np.float32), np.ones(size, np.float32)
    lag = 1
    for w in range(len(WINDOWS)):
        while lag < WINDOWS[w]:
            start = min(lag * stride, size)
            newest, older = x[start:], x[: size - start]
            _add_comparison(newest, older, below[start:], present[start:])
            lag += 1
        out = result[w]
        for i in range(size):
            out[i] = (below[i] + 1.0) / present[i] if x[i] == x[i] else np.nan
    return result


@compiled("void(f4[::1],f4[::1],f4,f4)")
def _slide(held: np.ndarray, spare: np.ndarray, leaving: np.float32, entering: np.float32) -> None:
    """Take one value out of sorted values and put one in; infinity stands for none.

    `held` ends in infinity, as `spare` begins with minus infinity. All cells are gone through
    instead of searching for the two: loops without a branch are vector instructions.
    """
    cells, above = held[:-1], held[1:]
    rest, below = spare[1:], spare[:-1]
    for k in range(len(cells)):
        rest[k] = cells[k] if cells[k] < leaving else above[k]
    for k in range(len(cells)):
        lowest = below[k] if below[k] > entering else entering
        cells[k] = lowest if lowest < rest[k] else rest[k]


@compiled("f8[:,:,::1](f4[::1],i8)")
def quantiles(x: np.ndarray, stride: int) -> np.ndarray:
    """The 0.8 and 0.2 quantiles, linear between neighbours."""
    size = len(x)
    result = np.full((len(_QUANTILES), len(WINDOWS), size), np.nan)
    none = np.float32(np.inf)
    held = np.empty((len(WINDOWS), _MOST_CELLS + 1), np.float32)
    spare = np.full((len(WINDOWS), _MOST_CELLS + 1), -none)
    count = np.empty(len(WINDOWS), np.int64)
    for instrument in range(stride):
        held[:] = none
        count[:] = 0
        for i in range(instrument, size, stride):
            entering = x[i] if x[i] == x[i] else none
            for w in range(len(WINDOWS)):
                # A whole number of vectors leaves no rest to go through one by one.
                cells = (WINDOWS[w] + _VECTOR - 1) // _VECTOR * _VECTOR + 1
                left = i - WINDOWS[w] * stride
                leaving = x[left] if left >= 0 and x[left] == x[left] else none
                _slide(held[w, :cells], spare[w, :cells], leaving, entering)
                count[w] += int(entering < none) - int(leaving < none)
                n = count[w]
                for q in range(len(_QUANTILES) if n > 0 else 0):
                    position = _QUANTILES[q] * (n - 1)
                    low = int(position)
                    lower = np.float64(held[w, low])
                    upper = np.float64(held[w, min(low + 1, n - 1)])
                    result[q, w, i] = lower + (upper - lower) * (position - low)
    return result
