"""Plots for Dagster's asset pages: a step's `Written` with a picture among its facts.

The step is done by then, so a plot that cannot be drawn never fails it: the facts say why instead.
"""

from __future__ import annotations

import base64
import dataclasses
import logging
from collections.abc import Callable
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

logger = logging.getLogger(__name__)

# Event logs keep every plot for ever: low resolution, and only when there is something to see.
_DOTS_PER_INCH = 72
_LEAST_ROWS = 2


def with_equity_plot(store: FrameStore, written: Written, *, market: str) -> Written:
    """Add the equity curve through the partition."""

    def draw() -> Figure | None:
        days = sorted(day for day in store.partitions(DAILY_PNL.name) if day <= written.partition)
        if len(days) < _LEAST_ROWS:
            return None
        return equity_plot(store.read(DAILY_PNL, days), colour=market_colour(market).on_light)

    return with_plot(written, "equity_plot", draw)


def with_ic_plot(store: FrameStore, written: Written, *, market: str, overlap: int) -> Written:
    """Add the out-of-sample RankIC of each month's candidate so far, with its error.

    Args:
        store: Where `evaluation` is.
        written: What the month wrote.
        market: Its colour.
        overlap: Lags in which the market's labels overlap.
    """

    def draw() -> Figure | None:
        months = (day for day in store.partitions(EVALUATION.name) if day <= written.partition)
        rows = store.read(EVALUATION, sorted(months))
        colour = market_colour(market).on_light
        return monthly_ic_plot(SIGNAL_SESSIONS.empty(), rows, colour=colour, overlap=overlap)

    return with_plot(written, "rank_ic_plot", draw)


def with_plot(written: Written, name: str, draw: Callable[[], Figure | None]) -> Written:
    """Add one figure as Markdown that the UI shows in place; none where there is nothing to see."""
    try:
        figure = draw()
        fact = None if figure is None else figure_to_markdown(figure)
    # The partition is written; a picture is an extra.
    except Exception as error:
        logger.warning("no plot name=%s partition=%s", name, written.partition, exc_info=True)
        fact = f"not drawn: {error}"
    if fact is None:
        return written
    return dataclasses.replace(written, facts={**written.facts, name: fact})


def figure_to_markdown(figure: Figure) -> str:
    """An image with its bytes inside, as Markdown."""
    png = figure_to_png(figure, dots_per_inch=_DOTS_PER_INCH)
    return f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})"
