"""Plots for Dagster's asset pages: a step's `Written` with a picture among its facts."""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING

from tradegraph_dagster.adapters.report.images import figure_to_png
from tradegraph_dagster.adapters.report.palette import market_colour
from tradegraph_dagster.adapters.report.plots import equity_plot, monthly_ic_plot
from tradegraph_dagster.adapters.report.story import SIGNAL_SESSIONS
from tradegraph_dagster.domain.core.frame_store import FrameStore, Written
from tradegraph_dagster.domain.models.schema import EVALUATION
from tradegraph_dagster.domain.performance.schema import DAILY_PNL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Event logs keep every plot for ever: low resolution, and only when there is something to see.
_DOTS_PER_INCH = 72
_LEAST_ROWS = 2


def with_equity_plot(store: FrameStore, written: Written, *, market: str) -> Written:
    """Add the equity curve through the partition."""
    days = sorted(day for day in store.partitions(DAILY_PNL.name) if day <= written.partition)
    if len(days) < _LEAST_ROWS:
        return written
    figure = equity_plot(store.read(DAILY_PNL, days), colour=market_colour(market).on_light)
    return with_plot(written, "equity_plot", figure)


def with_ic_plot(store: FrameStore, written: Written, *, market: str) -> Written:
    """Add the out-of-sample RankIC of each month's candidate so far, with its error."""
    months = sorted(day for day in store.partitions(EVALUATION.name) if day <= written.partition)
    figure = monthly_ic_plot(
        SIGNAL_SESSIONS.empty(),
        store.read(EVALUATION, months),
        colour=market_colour(market).on_light,
    )
    return with_plot(written, "rank_ic_plot", figure)


def with_plot(written: Written, name: str, figure: Figure) -> Written:
    """Add one figure as Markdown that the UI shows in place."""
    return dataclasses.replace(written, facts={**written.facts, name: figure_to_markdown(figure)})


def figure_to_markdown(figure: Figure) -> str:
    """An image with its bytes inside, as Markdown."""
    png = figure_to_png(figure, dots_per_inch=_DOTS_PER_INCH)
    return f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})"
