"""The arithmetic behind Alpha158's families, over a grid of instruments.

Each family is an array of shape (windows, cells), a bar shape one of shape (cells,); the cells are
the grid's, flat. Windows are those of `kernels`; element-wise arithmetic stays in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tradegraph_dagster.domain.features import kernels
from tradegraph_dagster.domain.features.schema import BarGrid

TINY = np.float32(1e-12)
SIZES = np.array(kernels.WINDOWS, dtype=np.float64)[:, np.newaxis]

Families = dict[str, np.ndarray]


@dataclass(frozen=True)
class FlatBars:
    """The cells of a grid in one row, and what windows need to know of them.

    Attributes:
        fields: Each of BAR_FIELDS, float32, shape (cells,).
        stride: Cells from one session to the next: the number of instruments.
        is_listed: Whether the cell's session is one of the instrument's, shape (cells,).
        lengths: Rows of each window, shape (windows, cells); shorter after the listing.
    """

    fields: Mapping[str, np.ndarray]
    stride: int
    is_listed: np.ndarray
    lengths: np.ndarray

    def earlier(self, x: np.ndarray, rows: int) -> np.ndarray:
        """The value so many rows before, NaN for the first rows."""
        result = np.full_like(x, np.nan)
        places = rows * self.stride
        result[places:] = x[: max(len(x) - places, 0)]
        return result

    @classmethod
    def of(cls, grid: BarGrid) -> FlatBars:
        """Flatten a grid, its fields rounded to float32."""
        rows, stride = len(grid.sessions), len(grid.begins_at)
        ages = (np.arange(1, rows + 1)[:, np.newaxis] - grid.begins_at).reshape(-1)
        rounded = {name: values.astype(np.float32).ravel() for name, values in grid.fields.items()}
        return cls(rounded, stride, ages > 0, np.minimum(SIZES, np.maximum(ages, 1.0)))


def grid_to_features(grid: BarGrid, names: Sequence[str], *, is_reference: bool) -> np.ndarray:
    """Compute the columns of Alpha158, in the order of `names`; see `FeatureSet.compute`.

    Args:
        grid: The bars.
        names: Bar shapes, and of each family its windows, shortest first and side by side.
        is_reference: Missing bars weigh as they do in the reference: the place of an extreme is
            that of the oldest missing bar of the window, and a row whose change is missing counts
            as one that neither rose nor fell. Otherwise missing bars are passed over.
    """
    bars = FlatBars.of(grid)
    result = np.empty((len(names), len(grid.sessions), len(grid.begins_at)), dtype=np.float32)
    flat = result.reshape(len(names), -1)
    column = {name: place for place, name in enumerate(names)}
    with np.errstate(all="ignore"):
        for name, values in _bar_shapes(bars).items():
            flat[column[name]] = values
        for families in _window_families(bars, is_reference=is_reference):
            for name, values in families.items():
                begin = column[f"{name}{kernels.WINDOWS[0]}"]
                flat[begin : begin + len(kernels.WINDOWS)] = values
    return result


def _window_families(bars: FlatBars, *, is_reference: bool) -> Iterator[Families]:
    """Every family of windows, a few at a time."""
    yield _price_windows(bars)
    yield _volume_windows(bars)
    yield _extreme_windows(bars, gap_counts_as_extreme=is_reference)
    yield _change_windows(bars, gap_is_no_change=is_reference)


def _bar_shapes(bars: FlatBars) -> Families:
    """Shapes of the bar itself, and its prices over the close."""
    open_, high, low, close = (bars.fields[name] for name in ("open", "high", "low", "close"))
    length = high - low + TINY
    above = high - np.maximum(open_, close)
    below = np.minimum(open_, close) - low
    shift = 2 * close - high - low
    return {
        "kmid": (close - open_) / open_,
        "klen": (high - low) / open_,
        "kmid2": (close - open_) / length,
        "kup": above / open_,
        "kup2": above / length,
        "klow": below / open_,
        "klow2": below / length,
        "ksft": shift / open_,
        "ksft2": shift / length,
        "open0": open_ / close,
        "high0": high / close,
        "low0": low / close,
        "vwap0": bars.fields["vwap"] / close,
    }


def _price_windows(bars: FlatBars) -> Families:
    """Families of the close alone."""
    close, stride = bars.fields["close"], bars.stride
    series = close.astype(np.float64)
    mean, std, slope, rsquare, residual = kernels.line(series, stride)
    upper, lower = kernels.quantiles(close, stride)
    return {
        "roc": np.stack([bars.earlier(close, n) / close for n in kernels.WINDOWS]),
        "ma": mean / close,
        "std": std / close,
        "beta": slope / close,
        "rsqr": rsquare,
        "resi": residual / close,
        "qtlu": upper / close,
        "qtld": lower / close,
        "rank": kernels.ranks(close, stride),
        "corr": kernels.correlation(series, _series(np.log(bars.fields["volume"] + 1)), stride),
    }


def _extreme_windows(bars: FlatBars, *, gap_counts_as_extreme: bool) -> Families:
    """Families of the highest high and the lowest low."""
    close = bars.fields["close"].astype(np.float64)
    top, top_place = _highest(bars, bars.fields["high"], gap_counts_as_extreme)
    bottom, bottom_place = _highest(bars, -bars.fields["low"], gap_counts_as_extreme)
    bottom = -bottom
    return {
        "max": top / close,
        "min": bottom / close,
        "rsv": (close - bottom) / (top - bottom + 1e-12),
        "imax": top_place / SIZES,
        "imin": bottom_place / SIZES,
        "imxd": (top_place - bottom_place) / SIZES,
    }


def _change_windows(bars: FlatBars, *, gap_is_no_change: bool) -> Families:
    """Families of the rises and falls of close and volume."""
    close, volume = bars.fields["close"], bars.fields["volume"]
    change = _series(close - bars.earlier(close, 1))
    present, rises, falls, up, down = kernels.rises_and_falls(change, bars.stride)
    rows = np.where(bars.is_listed, bars.lengths, np.nan) if gap_is_no_change else present
    rose, fell = rises / rows, falls / rows
    volume_change = _series(volume - bars.earlier(volume, 1))
    volume_present, _, _, more, less = kernels.rises_and_falls(volume_change, bars.stride)
    return {
        "cntp": rose,
        "cntn": fell,
        "cntd": rose - fell,
        **_balance("sum", present, up, down),
        **_balance("vsum", volume_present, more, less),
    }


def _volume_windows(bars: FlatBars) -> Families:
    """Families of the volume, and of its company with the close's growth."""
    close, volume, stride = bars.fields["close"], bars.fields["volume"], bars.stride
    growth = close / bars.earlier(close, 1)
    mean, std = kernels.mean_and_std(_series(volume), stride)
    move_mean, move_std = kernels.mean_and_std(_series(np.abs(growth - 1) * volume), stride)
    surge = np.log(volume / bars.earlier(volume, 1) + 1)
    return {
        "cord": kernels.correlation(_series(growth), _series(surge), stride),
        "vma": mean / (volume + TINY),
        "vstd": std / (volume + TINY),
        "wvma": move_std / (move_mean + 1e-12),
    }


def _highest(
    bars: FlatBars, x: np.ndarray, gap_counts_as_extreme: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Largest value of each window, and its place: 1 for the window's oldest row."""
    top, rows_since, rows_since_gap = kernels.highest(
        x.astype(np.float64), bars.is_listed, bars.stride
    )
    if gap_counts_as_extreme:
        is_gap_found = (rows_since_gap >= 0) & ~np.isnan(top)
        rows_since = np.where(is_gap_found, rows_since_gap, rows_since)
    return top, bars.lengths - rows_since


def _balance(family: str, present: np.ndarray, up: np.ndarray, down: np.ndarray) -> Families:
    total = np.where(present > 0, up + down + 1e-12, np.nan)
    return {
        f"{family}p": up / total,
        f"{family}n": down / total,
        f"{family}d": (up - down) / total,
    }


def _series(x: np.ndarray) -> np.ndarray:
    """What windows read: float64, an infinite ratio counting as missing."""
    wide = x.astype(np.float64)
    wide[~np.isfinite(wide)] = np.nan
    return wide
