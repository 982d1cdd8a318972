"""Figures of one market, each a pure function of frames.

They are drawn for a column about 570 pixels wide and stay legible at 400. Colours are roles, see
palette; matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tradegraph_dagster.adapters.report.headline import drawdowns, monthly_estimates
from tradegraph_dagster.adapters.report.palette import BAD, GRID, INK, MUTED, WARN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_INCHES = (5.4, 2.9)
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.4,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "xtick.major.pad": 5.5,
    "ytick.major.size": 0,
    "text.color": INK,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "legend.labelcolor": INK,
    "path.simplify": True,
}


def equity_plot(daily_pnl: pl.DataFrame, *, colour: str) -> Figure:
    """Growth of 100 of the portfolio, net of costs, against the equal-weight benchmark."""
    book = daily_pnl.sort("session")
    with _figure() as (figure, (axes,)):
        lines = []
        for column, name, tone in (
            ("benchmark_return_frac", "benchmark", MUTED),
            ("return_frac", "portfolio", colour),
        ):
            growth = 100 * np.cumprod(1 + book[column].to_numpy())
            axes.plot(_days(book), growth, color=tone)
            lines.append((float(growth[-1]), name, tone))
        axes.axhline(100, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.set_ylabel("growth of 100")
        _name_lines(axes, lines)
        _date_axis(axes)
    return figure


def drawdown_plot(daily_pnl: pl.DataFrame, *, colour: str) -> Figure:
    """How far below its highest value the portfolio was."""
    book = daily_pnl.sort("session")
    depth = -100 * drawdowns(book["return_frac"].to_numpy())
    with _figure() as (figure, (axes,)):
        axes.fill_between(_days(book), depth, 0, color=colour, alpha=0.22, linewidth=0)
        axes.plot(_days(book), depth, color=colour, linewidth=1.1)
        deepest = int(depth.argmin())
        if depth[deepest] < 0:
            axes.plot(_days(book)[deepest], depth[deepest], "o", color=colour, markersize=3.5)
            is_late = deepest > 0.75 * len(depth)
            axes.annotate(
                f"{depth[deepest]:.1f} %".replace("-", "\u2212"),
                (_days(book)[deepest], depth[deepest]),
                xytext=(-6 if is_late else 6, -1),
                textcoords="offset points",
                ha="right" if is_late else "left",
                va="center",
            )
        axes.set_ylim(min(1.15 * depth.min(), -0.5), 0)
        axes.set_ylabel("below the peak, %")
        _date_axis(axes)
    return figure


def monthly_ic_plot(
    signal: pl.DataFrame,
    evaluation: pl.DataFrame,
    *,
    colour: str,
    overlap: int,
    planted: float | None = None,
) -> Figure:
    """Mean RankIC by month ± 1 standard error: of the traded forecasts and of each candidate.

    Without an error, as in a month of labels that overlap, a mean is drawn alone.
    """
    by_month = pl.col("session").dt.truncate("1mo")
    traded = monthly_estimates(signal, by_month, "rank_ic", overlap=overlap)
    candidates = evaluation.filter(pl.col("role") == "candidate")
    trained = monthly_estimates(candidates, pl.col("month"), "rank_ic", overlap=overlap)
    with _figure() as (figure, (axes,)):
        axes.axhline(0, color=MUTED, linewidth=0.9)
        _planted_line(axes, planted)
        for frame, days, face, name in (
            (trained, 10, "white", "candidate, out of sample"),
            (traded, 16, colour, "traded forecasts"),
        ):
            if frame.height:
                where = frame["month"].to_numpy() + np.timedelta64(days, "D")
                axes.errorbar(
                    where,
                    frame["mean"].to_numpy(),
                    yerr=frame["error"].fill_null(0.0).to_numpy(),
                    fmt="o",
                    color=colour,
                    markerfacecolor="none" if face == "white" else face,
                    markersize=4.2,
                    elinewidth=1.0,
                    capsize=0,
                    alpha=0.6 if face == "white" else 1.0,
                    label=name,
                )
        months = pl.concat([traded["month"], trained["month"]])
        axes.set_xlim(_month_bounds(months))
        axes.set_ylabel("mean RankIC ± 1 SE")
        _legend(axes)
        _date_axis(axes)
    return figure


def cumulative_ic_plot(
    signal: pl.DataFrame, *, colour: str, planted: float | None = None
) -> Figure:
    """Running sum of the daily RankIC; a steady slope is a steady signal."""
    known = signal.sort("session").drop_nulls("rank_ic")
    total = np.cumsum(known["rank_ic"].to_numpy())
    with _figure() as (figure, (axes,)):
        axes.axhline(0, color=MUTED, linewidth=0.9)
        axes.plot(_days(known), total, color=colour, label="sum of daily RankIC")
        if planted is not None:
            expected = planted * np.arange(1, len(total) + 1)
            axes.plot(
                _days(known),
                expected,
                color=INK,
                linewidth=1.0,
                linestyle=(0, (4, 3)),
                label=f"planted, {planted:.3f} a session",
            )
        axes.set_ylabel("sum of RankIC")
        _legend(axes)
        _date_axis(axes)
    return figure


def turnover_plot(daily_pnl: pl.DataFrame, *, colour: str) -> Figure:
    """Turnover of each session, and the fees so far in basis points of equity."""
    book = daily_pnl.sort("session")
    fees = 1e4 * np.cumsum((book["fees"] / book["equity"]).to_numpy())
    with _figure(rows=2) as (figure, (upper, lower)):
        turnover = 100 * book["turnover_frac"].to_numpy()
        upper.fill_between(_days(book), turnover, step="mid", color=colour, alpha=0.55, linewidth=0)
        upper.set_ylim(0, _usual_top(upper, book, turnover))
        upper.set_ylabel("turnover, %")
        lower.plot(_days(book), fees, color=INK, linewidth=1.2)
        lower.set_ylim(bottom=0)
        lower.set_ylabel("fees so far, bps")
        _date_axis(lower)
    return figure


def exposure_plot(daily_pnl: pl.DataFrame, *, colour: str) -> Figure:
    """Equity split into the largest position, the others and cash."""
    book = daily_pnl.sort("session")
    largest = 100 * book["largest_position_frac"].to_numpy()
    invested = 100 * book["gross_exposure_frac"].to_numpy()
    with _figure() as (figure, (axes,)):
        axes.stackplot(
            _days(book),
            largest,
            np.maximum(invested - largest, 0),
            np.maximum(100 - invested, 0),
            colors=[colour, colour, MUTED],
            labels=["largest position", "other positions", "cash"],
            linewidth=0,
        )
        for layer, alpha in zip(axes.collections, (0.95, 0.45, 0.18), strict=True):
            layer.set_alpha(alpha)
        axes.set_ylim(0, max(100.0, float(invested.max())))
        axes.set_ylabel("share of equity, %")
        _legend(axes)
        _date_axis(axes)
    return figure


def concentration_plot(positions: pl.DataFrame, *, colour: str) -> Figure:
    """Names held, and how many equal positions would be as concentrated (1 over Herfindahl)."""
    held = (
        positions.filter(pl.col("quantity_shares") != 0)
        .sort("session", "symbol")
        .group_by("session", maintain_order=True)
        .agg(
            names=pl.len(),
            effective=pl.col("market_value").sum() ** 2 / (pl.col("market_value") ** 2).sum(),
        )
    )
    with _figure() as (figure, (axes,)):
        names, effective = held["names"].to_numpy(), held["effective"].to_numpy()
        axes.fill_between(_days(held), effective, color=colour, alpha=0.22, linewidth=0)
        axes.plot(_days(held), effective, color=colour)
        axes.plot(_days(held), names, color=MUTED, linewidth=1.2)
        axes.set_ylim(0, 1.12 * max(names.max(), 1))
        axes.set_ylabel("names")
        _name_lines(
            axes, [(float(names[-1]), "held", MUTED), (float(effective[-1]), "effective", colour)]
        )
        _date_axis(axes, whole=True)
    return figure


def coverage_plot(coverage: pl.DataFrame, *, colour: str) -> Figure:
    """Bars of each session, what the gates found in them, and the sessions that were withheld."""
    seen = coverage.sort("session")
    days = _days(seen)
    with _figure(rows=2) as (figure, (upper, lower)):
        bars = seen["bars"].to_numpy()
        upper.fill_between(days, bars, step="mid", color=colour, alpha=0.22, linewidth=0)
        upper.plot(days, bars, color=colour, linewidth=1.1, drawstyle="steps-mid")
        upper.set_ylim(0, 1.18 * max(bars.max(), 1))
        upper.set_ylabel("bars")
        withheld = seen.filter(~pl.col("is_validated"))
        if withheld.height:
            upper.plot(
                _days(withheld),
                withheld["bars"].to_numpy(),
                "v",
                color=BAD,
                markersize=4.5,
                label="withheld",
            )
            _legend(upper)
        layers = (
            ("warn_findings", "warned", MUTED),
            ("quarantine_findings", "quarantined", WARN),
            ("block_findings", "blocked", BAD),
        )
        floor = np.zeros(seen.height)
        for column, name, tone in layers:
            top = floor + seen[column].to_numpy()
            lower.fill_between(days, floor, top, step="mid", color=tone, linewidth=0, label=name)
            floor = top
        lower.set_ylim(0, max(1.25 * floor.max(), 1))
        lower.set_ylabel("findings")
        _legend(lower)
        _date_axis(lower, whole=True)
    return figure


# Year, month and day ticks; the rest is for spans shorter than any report has.
_DATE_WORDS = ["%Y", "%b", "%d %b", "%d %b", "%d %b", "%d %b"]
_YEAR_AT_JANUARY = ["", "%Y", "%b", "%d %b", "%d %b", "%d %b"]


@contextmanager
def _figure(*, rows: int = 1) -> Iterator[tuple[Figure, list[Any]]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        yield figure, list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])


def _days(frame: pl.DataFrame) -> np.ndarray:
    return frame["session"].to_numpy()


def _date_axis(axes: Axes, *, whole: bool = False) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator, formats=_DATE_WORDS, zero_formats=_YEAR_AT_JANUARY, show_offset=False
    )
    axes.xaxis.set_major_formatter(formatter)
    for panel in axes.figure.axes:
        panel.yaxis.set_major_locator(
            MaxNLocator(nbins=5 if len(axes.figure.axes) == 1 else 3, integer=whole)
        )
        panel.margins(x=0.01)


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.1,
            borderpad=0.2,
            ncols=3,
            handlelength=1.4,
            handletextpad=0.5,
            columnspacing=2.4,
        )


def _month_bounds(months: pl.Series) -> tuple[Any, Any]:
    ordered = months.sort().to_numpy()
    return ordered[0], ordered[-1] + np.timedelta64(31, "D")


def _planted_line(axes: Axes, planted: float | None) -> None:
    if planted is not None:
        axes.axhline(
            planted, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), label=f"planted {planted:.3f}"
        )


def _name_lines(axes: Axes, lines: list[tuple[float, str, str]]) -> None:
    """Write each line's name and last value at its end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    gap = 0.075 * (high - low)
    previous = -np.inf
    for value, name, tone in sorted(lines):
        height = max(value, previous + gap)
        axes.annotate(
            f"{name} {value:,.1f}".replace(".0", ""),
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=tone,
            annotation_clip=False,
        )
        previous = height


def _usual_top(axes: Axes, book: pl.DataFrame, turnover: np.ndarray) -> float:
    """A limit that one day of buying the whole book does not flatten; such a day is named."""
    top = float(turnover.max())
    usual = float(np.quantile(turnover, 0.98))
    if top <= 3 * usual or usual <= 0:
        return max(1.15 * top, 0.01)
    axes.annotate(
        f"\u2191 {top:.0f} % on {book['session'][int(turnover.argmax())]}",
        (0.01, 0.98),
        xycoords="axes fraction",
        va="top",
        color=MUTED,
    )
    return 1.6 * usual
