"""Alpha158: 158 price and volume shapes of the last 60 sessions, equal to qlib's by name and value.

Nine describe the bar itself, four its prices over the close, and 29 families each take windows of
5, 10, 20, 30 and 60 sessions. In the first 60 rows of an instrument the windows are shorter, not
empty. A session without trading takes a place in every window.

Precision follows the reference: fields are rounded to float32 first, so that prices equal to seven
digits are ties; element-wise arithmetic is float32, windows are float64, the result is float32.

Source: microsoft/qlib at d5379c5, qlib/contrib/data/loader.py and qlib/data/ops.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tradegraph_dagster.domain.features.schema import FeatureSet

WINDOW_LENGTHS = (5, 10, 20, 30, 60)
TINY = np.float32(1e-12)

BAR_SHAPES = {
    "kmid": "(close - open) / open",
    "klen": "(high - low) / open",
    "kmid2": "(close - open) / (high - low + 1e-12)",
    "kup": "(high - max(open, close)) / open",
    "kup2": "(high - max(open, close)) / (high - low + 1e-12)",
    "klow": "(min(open, close) - low) / open",
    "klow2": "(min(open, close) - low) / (high - low + 1e-12)",
    "ksft": "(2 * close - high - low) / open",
    "ksft2": "(2 * close - high - low) / (high - low + 1e-12)",
    "open0": "open / close",
    "high0": "high / close",
    "low0": "low / close",
    "vwap0": "vwap / close",
}

# ref: so many rows earlier. change: minus the row before. A comparison with a missing value is 0.
ROLLING = {
    "roc": "ref(close, {n}) / close",
    "ma": "mean(close, {n}) / close",
    "std": "std(close, {n}) / close",
    "beta": "slope(close, {n}) / close",
    "rsqr": "rsquare(close, {n})",
    "resi": "residual(close, {n}) / close",
    "max": "max(high, {n}) / close",
    "min": "min(low, {n}) / close",
    "qtlu": "quantile(close, {n}, 0.8) / close",
    "qtld": "quantile(close, {n}, 0.2) / close",
    "rank": "rank(close, {n})",
    "rsv": "(close - min(low, {n})) / (max(high, {n}) - min(low, {n}) + 1e-12)",
    "imax": "place_of_max(high, {n}) / {n}",
    "imin": "place_of_min(low, {n}) / {n}",
    "imxd": "(place_of_max(high, {n}) - place_of_min(low, {n})) / {n}",
    "corr": "correlation(close, log(volume + 1), {n})",
    "cord": "correlation(close / ref(close, 1), log(volume / ref(volume, 1) + 1), {n})",
    "cntp": "mean(change(close) > 0, {n})",
    "cntn": "mean(change(close) < 0, {n})",
    "cntd": "mean(change(close) > 0, {n}) - mean(change(close) < 0, {n})",
    "sump": "sum(max(change(close), 0), {n}) / (sum(abs(change(close)), {n}) + 1e-12)",
    "sumn": "sum(max(-change(close), 0), {n}) / (sum(abs(change(close)), {n}) + 1e-12)",
    "sumd": "sum(change(close), {n}) / (sum(abs(change(close)), {n}) + 1e-12)",
    "vma": "mean(volume, {n}) / (volume + 1e-12)",
    "vstd": "std(volume, {n}) / (volume + 1e-12)",
    "wvma": "std(move, {n}) / (mean(move, {n}) + 1e-12), "
    "move = abs(close / ref(close, 1) - 1) * volume",
    "vsump": "sum(max(change(volume), 0), {n}) / (sum(abs(change(volume)), {n}) + 1e-12)",
    "vsumn": "sum(max(-change(volume), 0), {n}) / (sum(abs(change(volume)), {n}) + 1e-12)",
    "vsumd": "sum(change(volume), {n}) / (sum(abs(change(volume)), {n}) + 1e-12)",
}

DEFINITIONS = BAR_SHAPES | {
    f"{family}{n}": formula.format(n=n)
    for family, formula in ROLLING.items()
    for n in WINDOW_LENGTHS
}


def compute_alpha158(fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """Compute all columns of one instrument.

    Args:
        fields: Arrays of BAR_FIELDS, shape (rows,), one row a session, NaN where not traded.

    Returns:
        float32 of shape (rows, 158), in the order of DEFINITIONS.
    """
    rounded = {name: np.asarray(values).astype(np.float32) for name, values in fields.items()}
    with np.errstate(all="ignore"):
        bar = _bar_shapes(rounded)
        families = _close_windows(rounded) | _extreme_windows(rounded) | _volume_windows(rounded)
    blocks = [bar[name][np.newaxis] for name in BAR_SHAPES]
    blocks += [families[name] for name in ROLLING]
    return np.concatenate(blocks, axis=0, dtype=np.float32, casting="same_kind").T


def _bar_shapes(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
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


def _close_windows(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    from tradegraph_dagster.domain.features import kernels

    close = fields["close"]
    series = _series(close)
    mean, std = kernels.mean_and_std(series)
    slope, rsquare, residual = kernels.trend(series)
    upper, lower, rank = kernels.order_statistics(series)
    rose, fell, up, down = kernels.rises_and_falls(_series(close - _earlier(close, 1)))
    return {
        "roc": np.stack([_earlier(close, n) / close for n in WINDOW_LENGTHS]),
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


def _extreme_windows(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    from tradegraph_dagster.domain.features import kernels

    close = fields["close"]
    top, top_place = kernels.highest(_series(fields["high"]))
    bottom, bottom_place = kernels.highest(_series(-fields["low"]))
    bottom = -bottom
    lengths = np.array(WINDOW_LENGTHS, dtype=np.float64)[:, np.newaxis]
    return {
        "max": top / close,
        "min": bottom / close,
        "rsv": (close - bottom) / (top - bottom + 1e-12),
        "imax": top_place / lengths,
        "imin": bottom_place / lengths,
        "imxd": (top_place - bottom_place) / lengths,
    }


def _volume_windows(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    from tradegraph_dagster.domain.features import kernels

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
    from tradegraph_dagster.domain.features import kernels

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


FEATURE_SET = FeatureSet(
    name="alpha158",
    definitions=DEFINITIONS,
    lookback=WINDOW_LENGTHS[-1],
    compute=compute_alpha158,
)
