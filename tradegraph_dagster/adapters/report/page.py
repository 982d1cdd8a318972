"""Stories -> one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tradegraph_dagster.adapters.report import plots, tables
from tradegraph_dagster.adapters.report.attention import (
    Attention,
    story_to_attention,
    story_to_notes,
)
from tradegraph_dagster.adapters.report.formats import day, number, percent, with_error
from tradegraph_dagster.adapters.report.headline import Estimate, Headline, story_to_headline
from tradegraph_dagster.adapters.report.images import figure_to_svg
from tradegraph_dagster.adapters.report.palette import MarketColour, market_colour
from tradegraph_dagster.adapters.report.story import MarketStory

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Tile:
    """One headline number; `tone` colours it good or bad, or not at all."""

    label: str
    value: str
    detail: str
    tone: str = ""


@dataclass(frozen=True)
class Plot:
    """A figure with its words; `svg` is empty while there is nothing to draw."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Section:
    """Everything the page says about one market."""

    story: MarketStory
    colour: MarketColour
    head: Headline
    period: str
    tiles: tuple[Tile, ...]
    glance: tuple[str, ...]
    attention: tuple[Attention, ...]
    plots: tuple[Plot, ...]
    tables: tuple[tables.Table, ...]
    notes: tuple[str, ...]


def render_report(stories: Sequence[MarketStory], *, title: str, generated_note: str) -> str:
    """The whole page as text; the same stories give the same page, byte for byte.

    Args:
        stories: One a market, in the order they are shown.
        title: Heading and window title.
        generated_note: When and from what it was made; the only place for a time.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [story_to_section(story) for story in stories]
    return environment.get_template("template.html.j2").render(
        title=title,
        generated_note=generated_note,
        sections=sections,
        attention=sorted(
            (item for section in sections for item in section.attention),
            key=lambda item: item.level != "red",
        ),
        names={section.story.market: section.story.name for section in sections},
    )


def story_to_section(story: MarketStory) -> Section:
    """Everything about one market, as text and figures."""
    head = story_to_headline(story)
    return Section(
        story=story,
        colour=market_colour(story.market),
        head=head,
        period=f"{day(head.first)} to {day(head.last)}"
        if head.sessions
        else "no session traded yet",
        tiles=_tiles(story, head),
        glance=_glance(head),
        attention=story_to_attention(story),
        plots=tuple(_plots(story)),
        tables=(
            tables.training_table(story),
            tables.breaks_table(story),
            tables.orders_table(story),
            tables.fills_table(story),
            tables.positions_table(story),
            tables.drift_table(story),
        ),
        notes=story_to_notes(story),
    )


def _tiles(story: MarketStory, head: Headline) -> tuple[Tile, ...]:
    return (
        Tile("Equity", number(head.equity), f"{story.currency}, {number(head.sessions)} sessions"),
        Tile(
            "Return",
            percent(head.return_frac, signed=True),
            f"benchmark {percent(head.benchmark_frac, signed=True)}, "
            f"difference {percent(_excess(head), signed=True)}",
            _tone(head.return_frac),
        ),
        Tile(
            "Max drawdown",
            percent(head.max_drawdown_frac),
            f"now {percent(head.drawdown_frac)} below the peak",
        ),
        Tile(
            "Sharpe ratio",
            number(head.sharpe.value, 2, signed=True),
            f"± {number(head.sharpe.error, 2)} standard error, a year",
        ),
        Tile(
            "Mean RankIC",
            number(head.rank_ic.value, 4, signed=True),
            _rank_ic_detail(head.rank_ic, story.planted_rank_ic),
        ),
        Tile("Turnover", percent(head.turnover_frac), "of equity a session, buys plus sells"),
        Tile("Costs", number(head.cost_bps, 1), f"bps of notional, {number(head.fees)} paid"),
        Tile(
            "Orders, fills, breaks",
            f"{number(head.orders)} / {number(head.fills)} / {number(head.breaks)}",
            "ledger and broker agree" if not head.breaks else "ledger and broker differ",
            "bad" if head.breaks else "",
        ),
    )


def _rank_ic_detail(rank_ic: Estimate, planted: float | None) -> str:
    if rank_ic.error is None:
        error = "too few sessions for an error"
    else:
        error = f"± {number(rank_ic.error, 4)}" + (" standard error" if planted is None else "")
    return error if planted is None else f"{error}, planted {number(planted, 3)}"


def _glance(head: Headline) -> tuple[str, ...]:
    return (
        number(head.equity),
        percent(head.return_frac, signed=True),
        percent(_excess(head), signed=True),
        percent(head.max_drawdown_frac),
        with_error(head.sharpe.value, head.sharpe.error, 2),
        with_error(head.rank_ic.value, head.rank_ic.error, 4),
        number(head.cost_bps, 1),
        number(head.breaks),
    )


_Drawing = tuple[str, str, bool, "Callable[..., Figure]"]


def _plots(story: MarketStory) -> list[Plot]:
    return [
        Plot(title, caption, _svg(draw, story.market, title) if is_drawn else "")
        for title, caption, is_drawn, draw in (
            *_performance_drawings(story),
            *_signal_drawings(story),
            *_book_drawings(story),
        )
    ]


def _performance_drawings(story: MarketStory) -> tuple[_Drawing, ...]:
    book = story.daily_pnl
    return (
        (
            "Equity against benchmark",
            "Net of fees. The benchmark holds the universe in equal weight and pays no costs.",
            book.height > 0,
            partial(plots.equity_plot, book),
        ),
        (
            "Drawdown",
            "Distance from the highest value so far; the dot marks the deepest point.",
            book.height > 0,
            partial(plots.drawdown_plot, book),
        ),
    )


def _signal_drawings(story: MarketStory) -> tuple[_Drawing, ...]:
    signal, planted = story.signal, story.planted_rank_ic
    has_signal = signal["rank_ic"].drop_nulls().len() > 0
    return (
        (
            "RankIC by month",
            "Mean rank correlation of forecast and outcome, ± 1 standard error where a month holds "
            "enough sessions for one. Hollow: the month's candidate on sessions it had not seen.",
            has_signal or story.evaluation["rank_ic"].drop_nulls().len() > 0,
            partial(
                plots.monthly_ic_plot,
                signal,
                story.evaluation,
                overlap=story.overlap,
                planted=planted,
            ),
        ),
        (
            "Cumulative RankIC",
            "A steady slope is a steady signal; a bend is where it changed.",
            has_signal,
            partial(plots.cumulative_ic_plot, signal, planted=planted),
        ),
    )


def _book_drawings(story: MarketStory) -> tuple[_Drawing, ...]:
    book = story.daily_pnl
    held = story.positions.filter(story.positions["quantity_shares"] != 0)
    return (
        (
            "Turnover and cost",
            "Above, traded notional over equity; below, fees paid so far.",
            book.height > 0,
            partial(plots.turnover_plot, book),
        ),
        (
            "Exposure",
            "What equity was made of at each close.",
            book.height > 0,
            partial(plots.exposure_plot, book),
        ),
        (
            "Concentration",
            "Names held, and the number of equal positions that would be as concentrated.",
            held.height > 0,
            partial(plots.concentration_plot, held),
        ),
        (
            "Data coverage",
            "Bars that arrived, and what the quality gates found in them.",
            story.coverage.height > 0,
            partial(plots.coverage_plot, story.coverage),
        ),
    )


def _svg(draw: Callable[..., Figure], market: str, title: str) -> str:
    colour = market_colour(market)
    name = f"{market}-{title.lower().replace(' ', '-')}"
    return figure_to_svg(draw(colour=colour.on_light), name, colour.variables)


def _excess(head: Headline) -> float | None:
    if head.return_frac is None or head.benchmark_frac is None:
        return None
    return head.return_frac - head.benchmark_frac


def _tone(value: float | None) -> str:
    if not value:
        return ""
    return "good" if value > 0 else "bad"
