"""The arithmetic behind Alpha158's families, over the float32 arrays of one instrument.

Each function returns family name -> array of shape (windows, rows), or (rows,) for the bar shapes.
Windows are those of `kernels`; element-wise arithmetic stays in float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tradegraph_dagster.domain.features import kernels

TINY = np.float32(1e-12)


def rolling_families(
    fields: Mapping[str, np.ndarray], lengths: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Every family of windows, by name."""
    return (
        _close_windows(fields, lengths)
        | _extreme_windows(fields, lengths)
        | _volume_windows(fields)
    )


def bar_shapes(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Shapes of the bar itself, and its prices over the close."""
    open_, high, low, close = (fields[name] for name in ("open", "high", "low", "close"))
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
        "vwap0": fields["vwap"] / close,
    }


def _close_windows(
    fields: Mapping[str, np.ndarray], lengths: tuple[int, ...]
) -> dict[str, np.ndarray]:
    close = fields["close"]
    series = _series(close)
    mean, std = kernels.mean_and_std(series)
    slope, rsquare, residual = kernels.trend(series)
    upper, lower, rank = kernels.order_statistics(series)
    rose, fell, up, down = kernels.rises_and_falls(_series(close - _earlier(close, 1)))
    return {
        "roc": np.stack([_earlier(close, n) / close for n in lengths]),
        "ma": mean / close,
        "std": std / close,
        "beta": slope / close,
        "rsqr": rsquare,
        "resi": residual / close,
        "qtlu": upper / close,
        "qtld": lower / close,
        "rank": rank,
        "cntp": rose,
        "cntn": fell,
        "cntd": rose - fell,
        **_balance("sum", up, down),
    }


def _extreme_windows(
    fields: Mapping[str, np.ndarray], lengths: tuple[int, ...]
) -> dict[str, np.ndarray]:
    close = fields["close"]
    top, top_place = kernels.highest(_series(fields["high"]))
    bottom, bottom_place = kernels.highest(_series(-fields["low"]))
    bottom = -bottom
    sizes = np.array(lengths, dtype=np.float64)[:, np.newaxis]
    return {
        "max": top / close,
        "min": bottom / close,
        "rsv": (close - bottom) / (top - bottom + 1e-12),
        "imax": top_place / sizes,
        "imin": bottom_place / sizes,
        "imxd": (top_place - bottom_place) / sizes,
    }


def _volume_windows(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    close, volume = fields["close"], fields["volume"]
    growth = close / _earlier(close, 1)
    mean, std = kernels.mean_and_std(_series(volume))
    move_mean, move_std = kernels.mean_and_std(_series(np.abs(growth - 1) * volume))
    _, _, up, down = kernels.rises_and_falls(_series(volume - _earlier(volume, 1)))
    return {
        "corr": _correlation(close, np.log(volume + 1)),
        "cord": _correlation(growth, np.log(volume / _earlier(volume, 1) + 1)),
        "vma": mean / (volume + TINY),
        "vstd": std / (volume + TINY),
        "wvma": move_std / (move_mean + 1e-12),
        **_balance("vsum", up, down),
    }


def _balance(family: str, up: np.ndarray, down: np.ndarray) -> dict[str, np.ndarray]:
    total = up + down + 1e-12
    return {
        f"{family}p": up / total,
        f"{family}n": down / total,
        f"{family}d": (up - down) / total,
    }


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    first, second = _series(x), _series(y)
    _, std_x = kernels.mean_and_std(first)
    _, std_y = kernels.mean_and_std(second)
    return kernels.correlation(first, second, std_x, std_y)


def _earlier(x: np.ndarray, rows: int) -> np.ndarray:
    """The value so many rows before, NaN for the first rows."""
    result = np.full_like(x, np.nan)
    result[rows:] = x[: max(len(x) - rows, 0)]
    return result


def _series(x: np.ndarray) -> np.ndarray:
    """What windows read: float64, an infinite ratio counting as missing."""
    wide = x.astype(np.float64)
    wide[~np.isfinite(wide)] = np.nan
    return wide
