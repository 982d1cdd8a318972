"""Small charts as SVG text: hundreds of them on one page, in the page's own colours.

Each takes numbers, NaN where there is none, and draws in a box of 280 by 132; errors are whiskers
of two standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from tradegraph_dagster.adapters.report.formats import MINUS, month, number

WIDTH, HEIGHT = 280.0, 132.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 274.0, 10.0, 112.0
ERRORS_SHOWN = 2.0


def coverage_chart(months: Sequence[date], share: np.ndarray) -> str:
    """Share of members with a value, by month, from 0 to 100 %."""
    frame = _Frame(0.0, 1.0, len(months))
    marks = [
        *frame.grid([0.0, 0.5, 1.0], lambda value: f"{100 * value:.0f} %"),
        *frame.dates(months),
        frame.area(np.zeros(len(months)), share, "band"),
        frame.line(share, "line"),
    ]
    return _svg(marks, f"coverage by month, newest {_short(100 * _last(share))} %")


def quantile_chart(months: Sequence[date], quantiles: np.ndarray) -> str:
    """5th to 95th and 25th to 75th percentile as bands and the median, by month.

    Args:
        months: First days.
        quantiles: Shape (months, 5).
    """
    low, high = _span(quantiles)
    frame = _Frame(low, high, len(months))
    marks = [
        *frame.grid([low, (low + high) / 2, high], _by_span(high - low)),
        *frame.dates(months),
        frame.area(quantiles[:, 0], quantiles[:, 4], "band"),
        frame.area(quantiles[:, 1], quantiles[:, 3], "band inner"),
        frame.line(quantiles[:, 2], "line"),
    ]
    return _svg(marks, f"distribution by month, newest median {_short(_last(quantiles[:, 2]))}")


def autocorrelation_chart(lags: Sequence[int], mean: np.ndarray, error: np.ndarray) -> str:
    """Mean rank autocorrelation at each lag."""
    # A mean without an error is drawn all the same.
    reach = ERRORS_SHOWN * np.where(np.isfinite(error), error, 0.0)
    low = float(np.nanmin([*(mean - reach), 0.0]))
    high = float(np.nanmax([*(mean + reach), 1.0]))
    frame = _Frame(low, high, len(lags), margin=0.5)
    marks = [
        *frame.grid([0.0, 0.5, 1.0], lambda value: f"{value:.1f}"),
        *frame.ticks([f"{lag} session{'' if lag == 1 else 's'}" for lag in lags], every=1),
        *frame.bars(mean),
        *frame.whiskers(mean, error),
    ]
    return _svg(marks, f"rank autocorrelation at lag {lags[0]}: {_short(float(mean[0]))}")


def horizon_chart(horizons: Sequence[int], mean: np.ndarray, error: np.ndarray) -> str:
    """Mean RankIC by horizon."""
    reach = max(_reach(mean, error), 1e-3)
    frame = _Frame(-reach, reach, len(horizons), margin=0.5)
    marks = [
        *frame.grid([-reach, 0.0, reach], lambda value: _signed(value, 3)),
        *frame.ticks([str(horizon) for horizon in horizons], every=5),
        *frame.whiskers(mean, error),
        *frame.dots(mean),
    ]
    return _svg(marks, f"RankIC at horizon {horizons[0]}: {_signed(float(mean[0]), 4)}")


def horizon_spark(mean: np.ndarray, reach: float) -> str:
    """The same without axes, 90 by 22, on a scale shared by a table."""
    heights = 11 - 9.5 * np.clip(mean / reach, -1.0, 1.0)
    points = [
        f"{3 + 84 * at / max(len(mean) - 1, 1):.1f},{y:.1f}"
        for at, y in enumerate(heights)
        if math.isfinite(y)
    ]
    return (
        '<svg class="spark" viewBox="0 0 90 22" width="90" height="22" aria-hidden="true">'
        '<path class="zero" d="M3 11H87"/>'
        f'<polyline class="line" points="{" ".join(points)}"/></svg>'
    )


@dataclass(frozen=True)
class _Frame:
    """Values -> places in the box; `margin` keeps points that far from the sides."""

    low: float
    high: float
    count: int
    margin: float = 0.0

    def x(self, at: float) -> float:
        width = max(self.count - 1 + 2 * self.margin, 1e-9)
        return _LEFT + (_RIGHT - _LEFT) * (at + self.margin) / width

    def y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - self.low) / (self.high - self.low)

    def grid(self, values: Sequence[float], text: Callable[[float], str]) -> Iterator[str]:
        for value in values:
            y = self.y(value)
            yield f'<path class="rule" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
            yield f'<text x="{_LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{text(value)}</text>'

    def dates(self, months: Sequence[date]) -> Iterator[str]:
        yield f'<text x="{_LEFT}" y="{HEIGHT - 5}">{month(months[0])}</text>'
        if len(months) > 1:
            yield (
                f'<text x="{_RIGHT}" y="{HEIGHT - 5}" text-anchor="end">{month(months[-1])}</text>'
            )

    def ticks(self, names: Sequence[str], *, every: int) -> Iterator[str]:
        for at, name in enumerate(names):
            if at == 0 or (at + 1) % every == 0:
                x = f"{self.x(at):.1f}"
                yield f'<text x="{x}" y="{HEIGHT - 5}" text-anchor="middle">{name}</text>'

    def line(self, values: np.ndarray, name: str) -> str:
        return f'<path class="{name}" d="{self._path(values)}"/>'

    def area(self, low: np.ndarray, high: np.ndarray, name: str) -> str:
        """The room between two lines, one piece for each stretch without a hole."""
        pieces = []
        for start, stop in _stretches(np.isfinite(low) & np.isfinite(high)):
            there = [f"{self.x(at):.1f} {self.y(high[at]):.1f}" for at in range(start, stop)]
            back = [
                f"{self.x(at):.1f} {self.y(low[at]):.1f}" for at in reversed(range(start, stop))
            ]
            pieces.append("M" + "L".join([*there, *back]) + "Z")
        return f'<path class="{name}" d="{"".join(pieces)}"/>'

    def bars(self, values: np.ndarray) -> Iterator[str]:
        for at, value in enumerate(values):
            if math.isfinite(value):
                top, foot = sorted((self.y(value), self.y(0.0)))
                yield (
                    f'<rect class="band inner" x="{self.x(at) - 16:.1f}" y="{top:.1f}" width="32" '
                    f'height="{max(foot - top, 0.8):.1f}"/>'
                )

    def dots(self, values: np.ndarray) -> Iterator[str]:
        for at, value in enumerate(values):
            if math.isfinite(value):
                place = f'cx="{self.x(at):.1f}" cy="{self.y(value):.1f}"'
                yield f'<circle class="point" {place} r="2.4"/>'

    def whiskers(self, values: np.ndarray, errors: np.ndarray) -> Iterator[str]:
        marks = "".join(
            f"M{self.x(at):.1f} {self.y(value - ERRORS_SHOWN * error):.1f}"
            f"V{self.y(value + ERRORS_SHOWN * error):.1f}"
            for at, (value, error) in enumerate(zip(values, errors, strict=True))
            if math.isfinite(value) and math.isfinite(error)
        )
        yield f'<path class="whisker" d="{marks}"/>'

    def _path(self, values: np.ndarray) -> str:
        pieces = []
        for start, stop in _stretches(np.isfinite(values)):
            points = [f"{self.x(at):.1f} {self.y(values[at]):.1f}" for at in range(start, stop)]
            # A lone month is a short stroke.
            pieces.append("M" + "L".join(points) + ("h.1" if len(points) == 1 else ""))
        return "".join(pieces)


def _svg(marks: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{label}">'
        + "".join(marks)
        + "</svg>"
    )


def _stretches(is_known: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and one past the last place of each run of known values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_known, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _span(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low == high:
        margin = abs(low) or 1.0
        return low - 0.5 * margin, high + 0.5 * margin
    return low, high


def _reach(mean: np.ndarray, error: np.ndarray) -> float:
    ends = np.abs(mean) + ERRORS_SHOWN * np.where(np.isfinite(error), error, 0.0)
    known = ends[np.isfinite(ends)]
    return float(known.max()) if known.size else 0.0


def _last(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else math.nan


def _by_span(span: float) -> Callable[[float], str]:
    """Text that tells values apart which lie that far from each other, seven characters at most."""
    digits = 1 - math.floor(math.log10(span))
    return _short if digits > 4 or digits < -2 else lambda value: number(value, max(digits, 0))


def _short(value: float) -> str:
    """Three digits that count."""
    if not math.isfinite(value):
        return "unknown"
    return f"{value:.3g}".replace("-", MINUS).replace("e+0", "e").replace("e+", "e")


def _signed(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "unknown"
    return f"{value:+.{digits}f}".replace("-", MINUS) if round(value, digits) else "0"
