"""Alpha158 a second time: slow, whole windows as a matrix, no code shared with the package.

It also holds the 80 rows that qlib's own answers in tests/golden were made from, and random
instruments with everything that breaks rolling code: suspensions, flat stretches, ties, short
listings, sessions without volume.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

FIELDS = ("open", "high", "low", "close", "volume", "vwap")
LENGTHS = (5, 10, 20, 30, 60)
EPSILON = 1e-12
FLAT = 2e-5

Fields = dict[str, np.ndarray]


def golden_fields() -> Fields:
    """Eighty sessions: rows 23 and 24 are suspended, 40 to 47 trade at one price."""
    rows = []
    for t in range(80):
        is_flat = 40 <= t <= 47
        wave = 10 + 2 * math.sin(t / 5) + 0.03 * t + (t * 37 % 11) * 0.05
        close = 12.34 if is_flat else round(wave, 2)
        open_ = close if is_flat else round(close + (t * 17 % 7 - 3) * 0.04, 2)
        high = close if is_flat else round(max(open_, close) + (t * 13 % 5) * 0.03, 2)
        low = close if is_flat else round(min(open_, close) - (t * 29 % 5) * 0.03, 2)
        vwap = round((open_ + high + low + close) / 4, 3)
        rows.append((open_, high, low, close, 100 * (1000 + t * 7919 % 5000), vwap))
    table = np.array(rows, dtype=np.float64).T
    table[:, 23:25] = np.nan
    return dict(zip(FIELDS, table, strict=True))


def random_fields(seed: int, *, rows: int | None = None) -> Fields:
    """One instrument of up to 160 sessions; which troubles it has depends on the seed."""
    rng = np.random.default_rng(seed)
    count = rows or int(rng.integers(1, 161))
    close = np.round(10 * np.exp(np.cumsum(rng.normal(0, 0.02, count))), 2)
    open_ = np.round(close * (1 + rng.normal(0, 0.01, count)), 2)
    high = np.round(np.maximum(open_, close) * (1 + rng.uniform(0, 0.02, count)), 2)
    low = np.round(np.minimum(open_, close) * (1 - rng.uniform(0, 0.02, count)), 2)
    volume = rng.integers(100, 100_000, count) * 100.0
    table = np.array([open_, high, low, close, volume, (open_ + high + low + close) / 4])
    if rng.random() < 0.3:
        table[:4] = np.round(table[:4], 1)
    if rng.random() < 0.4:
        begin = rng.integers(0, count)
        stretch = slice(begin, begin + rng.integers(1, 75))
        table[[0, 1, 2, 3, 5], stretch] = table[3, begin]
    if rng.random() < 0.3:
        table[4, rng.random(count) < 0.1] = 0.0
    if rng.random() < 0.5:
        table[:, rng.random(count) < rng.choice([0.02, 0.2])] = np.nan
    if rng.random() < 0.4:
        begin = rng.integers(0, count)
        table[:, begin : begin + rng.integers(1, 75)] = np.nan
    return dict(zip(FIELDS, table, strict=True))


def alpha158_oracle(fields: Fields) -> Fields:
    """Name -> float32 values; the order of the names is the reference's."""
    single = {name: values.astype(np.float32) for name, values in fields.items()}
    with np.errstate(all="ignore"):
        found = _bars(single)
        by_length = [_windows_of(single, length) for length in LENGTHS]
    for family in by_length[0]:
        for length, block in zip(LENGTHS, by_length, strict=True):
            found[f"{family}{length}"] = block[family]
    return {name: np.asarray(values).astype(np.float32) for name, values in found.items()}


def _bars(f: Fields) -> Fields:
    o, h, lo, c = f["open"], f["high"], f["low"], f["close"]
    span = h - lo + EPSILON
    parts = {
        "kmid": (c - o, o),
        "klen": (h - lo, o),
        "kmid2": (c - o, span),
        "kup": (h - np.maximum(o, c), o),
        "kup2": (h - np.maximum(o, c), span),
        "klow": (np.minimum(o, c) - lo, o),
        "klow2": (np.minimum(o, c) - lo, span),
        "ksft": (2 * c - h - lo, o),
        "ksft2": (2 * c - h - lo, span),
        "open0": (o, c),
        "high0": (h, c),
        "low0": (lo, c),
        "vwap0": (f["vwap"], c),
    }
    return {name: above / below for name, (above, below) in parts.items()}


def _windows_of(f: Fields, n: int) -> Fields:
    c, v = f["close"], f["volume"]
    before_c, before_v = _lag(c, 1), _lag(v, 1)
    close, volume = _Window(c, n), _Window(v, n)
    high, low = _Window(f["high"], n), _Window(f["low"], n)
    top, bottom = high.reduce(np.nanmax), low.reduce(np.nanmin)
    slope, rsquare, residual = close.line()
    at_top, at_bottom = high.place(np.argmax, -np.inf), low.place(np.argmin, np.inf)
    rise = _Window((c > before_c).astype(np.float64), n).reduce(np.nanmean)
    fall = _Window((c < before_c).astype(np.float64), n).reduce(np.nanmean)
    effort = _Window(np.abs(c / before_c - 1) * v, n)
    ratio, surge = _Window(c / before_c, n), _Window(np.log(v / before_v + 1), n)
    return {
        "roc": _lag(c, n) / c,
        "ma": close.reduce(np.nanmean) / c,
        "std": close.std() / c,
        "beta": slope / c,
        "rsqr": rsquare,
        "resi": residual / c,
        "max": top / c,
        "min": bottom / c,
        "qtlu": close.quantile(0.8) / c,
        "qtld": close.quantile(0.2) / c,
        "rank": close.rank(),
        "rsv": (c - bottom) / (top - bottom + EPSILON),
        "imax": at_top / n,
        "imin": at_bottom / n,
        "imxd": (at_top - at_bottom) / n,
        "corr": close.correlation(_Window(np.log(v + 1), n)),
        "cord": ratio.correlation(surge),
        "cntp": rise,
        "cntn": fall,
        "cntd": rise - fall,
        **_strength("sum", c - before_c, n),
        "vma": volume.reduce(np.nanmean) / (v + EPSILON),
        "vstd": volume.std() / (v + EPSILON),
        "wvma": effort.std() / (effort.reduce(np.nanmean) + EPSILON),
        **_strength("vsum", v - before_v, n),
    }


def _strength(name: str, change: np.ndarray, n: int) -> Fields:
    up = _Window(np.maximum(change, 0), n).reduce(np.nansum)
    down = _Window(np.maximum(-change, 0), n).reduce(np.nansum)
    total = _Window(np.abs(change), n).reduce(np.nansum) + EPSILON
    return {f"{name}p": up / total, f"{name}n": down / total, f"{name}d": (up - down) / total}


def _lag(x: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([np.full(n, np.nan, dtype=x.dtype), x])[: len(x)]


class _Window:
    """Row t holds the n values up to t, oldest first; before the first row there is nothing."""

    def __init__(self, x: np.ndarray, n: int) -> None:
        wide = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
        padded = np.concatenate([np.full(n - 1, np.nan), wide])
        self.values = np.lib.stride_tricks.sliding_window_view(padded, n)
        self.newest = wide
        self.absent = np.maximum(0, n - 1 - np.arange(len(x)))
        self.count = (~np.isnan(self.values)).sum(axis=1)
        self.n = n

    def reduce(self, function: Callable[..., np.ndarray]) -> np.ndarray:
        result = np.full(len(self.newest), np.nan)
        some = self.count > 0
        result[some] = function(self.values[some], axis=1)
        return result

    def centred(self, kept: np.ndarray) -> np.ndarray:
        """Deviations from the mean of the kept values, NaN elsewhere; 0 if all are equal."""
        held = np.where(kept, self.values, np.nan)
        first = np.take_along_axis(held, kept.argmax(axis=1)[:, None], axis=1)
        moved = held - first
        mean = np.nansum(moved, axis=1) / np.maximum(kept.sum(axis=1), 1)
        return moved - mean[:, None]

    def std(self) -> np.ndarray:
        squares = np.nansum(self.centred(~np.isnan(self.values)) ** 2, axis=1)
        return np.where(self.count > 1, np.sqrt(squares / np.maximum(self.count - 1, 1)), np.nan)

    def line(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kept = ~np.isnan(self.values)
        places = np.where(kept, np.arange(1.0, self.n + 1), np.nan)
        place = places - (np.nansum(places, axis=1) / np.maximum(self.count, 1))[:, None]
        value = self.centred(kept)
        cross = np.nansum(place * value, axis=1)
        spread, variation = np.nansum(place**2, axis=1), np.nansum(value**2, axis=1)
        slope = np.where(self.count > 1, cross / spread, np.nan)
        rsquare = cross**2 / (spread * variation)
        rsquare = np.where((self.count > 1) & (self.std() > FLAT), rsquare, np.nan)
        return slope, rsquare, value[:, -1] - slope * place[:, -1]

    def quantile(self, share: float) -> np.ndarray:
        ordered = np.sort(self.values, axis=1)
        position = share * np.maximum(self.count - 1, 0)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, np.maximum(self.count - 1, 0))
        below = np.take_along_axis(ordered, low[:, None], axis=1)[:, 0]
        above = np.take_along_axis(ordered, high[:, None], axis=1)[:, 0]
        return below + (above - below) * (position - low)

    def rank(self) -> np.ndarray:
        newest = self.newest[:, None]
        below, equal = (self.values < newest).sum(axis=1), (self.values == newest).sum(axis=1)
        return np.where(np.isnan(self.newest), np.nan, (below + (equal + 1) / 2) / self.count)

    def place(self, function: Callable[..., np.ndarray], worst: float) -> np.ndarray:
        is_inside = np.arange(self.n) >= self.absent[:, None]
        is_gap = np.isnan(self.values) & is_inside
        extreme = function(np.where(np.isnan(self.values), worst, self.values), axis=1)
        first = np.where(is_gap.any(axis=1), is_gap.argmax(axis=1), extreme)
        return np.where(self.count > 0, first - self.absent + 1, np.nan)

    def correlation(self, other: _Window) -> np.ndarray:
        kept = ~np.isnan(self.values) & ~np.isnan(other.values)
        x, y = self.centred(kept), other.centred(kept)
        spread = np.sqrt(np.nansum(x * x, axis=1) * np.nansum(y * y, axis=1))
        is_flat = ~(self.std() > FLAT) | ~(other.std() > FLAT)
        is_undefined = is_flat | (kept.sum(axis=1) < 2) | (spread == 0)
        return np.where(is_undefined, np.nan, np.nansum(x * y, axis=1) / spread)
