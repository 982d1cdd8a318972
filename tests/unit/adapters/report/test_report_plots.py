from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tests.support.make_story import make_story
from tradegraph_dagster.adapters.report import plots
from tradegraph_dagster.adapters.report.images import figure_to_png
from tradegraph_dagster.adapters.report.palette import market_colour

STORY = make_story(weekdays(45), is_troubled=True)
COLOUR = market_colour("us").on_light


def test_png_is_the_same_every_time() -> None:
    first, second = (
        figure_to_png(plots.equity_plot(STORY.daily_pnl, colour=COLOUR)) for _ in range(2)
    )
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    assert first == second


def test_equity_starts_from_100_before_the_first_session() -> None:
    axes = plots.equity_plot(STORY.daily_pnl, colour=COLOUR).axes[0]
    portfolio = next(line for line in axes.lines if line.get_color() == COLOUR)
    assert portfolio.get_ydata()[0] == pytest.approx(100 * (1 + STORY.daily_pnl["return_frac"][0]))
    assert axes.get_ylabel() == "growth of 100"


def test_planted_value_is_drawn_only_where_known() -> None:
    def labels(planted: float | None) -> list[str]:
        figure = plots.monthly_ic_plot(
            STORY.signal, STORY.evaluation, colour=COLOUR, overlap=0, planted=planted
        )
        return figure.axes[0].get_legend_handles_labels()[1]

    assert any(label.startswith("planted") for label in labels(0.04))
    assert not any(label.startswith("planted") for label in labels(None))


def test_monthly_error_bars_span_one_standard_error() -> None:
    nothing = STORY.evaluation.clear()
    figure = plots.monthly_ic_plot(STORY.signal, nothing, colour=COLOUR, overlap=0)
    (bars,) = figure.axes[0].containers[0].lines[2]
    january = STORY.signal.filter(pl.col("session").dt.month() == 1)["rank_ic"]
    low, high = bars.get_segments()[0][:, 1]
    assert (low + high) / 2 == pytest.approx(january.mean())
    assert high - low == pytest.approx(2 * january.std() / len(january) ** 0.5)


def test_a_month_of_labels_that_overlap_is_drawn_without_error_bars() -> None:
    figure = plots.monthly_ic_plot(STORY.signal, STORY.evaluation, colour=COLOUR, overlap=4)
    for drawn in figure.axes[0].containers:
        (bars,) = drawn.lines[2]
        assert bars.get_segments()
        for segment in bars.get_segments():
            assert np.ptp(segment[:, 1]) == 0


def test_withheld_sessions_are_marked() -> None:
    upper = plots.coverage_plot(STORY.coverage, colour=COLOUR).axes[0]
    marked = next(line for line in upper.lines if line.get_label() == "withheld")
    assert len(marked.get_xdata()) == 2


def test_every_axis_names_its_unit() -> None:
    figures = [
        plots.drawdown_plot(STORY.daily_pnl, colour=COLOUR),
        plots.cumulative_ic_plot(STORY.signal, colour=COLOUR),
        plots.turnover_plot(STORY.daily_pnl, colour=COLOUR),
        plots.exposure_plot(STORY.daily_pnl, colour=COLOUR),
        plots.concentration_plot(STORY.positions, colour=COLOUR),
        plots.coverage_plot(STORY.coverage, colour=COLOUR),
    ]
    assert all(axes.get_ylabel() for figure in figures for axes in figure.axes)
