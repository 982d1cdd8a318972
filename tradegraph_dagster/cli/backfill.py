"""Backfills a market: every missing partition, in ranges, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from rich.progress import Progress

from tradegraph_dagster.cli.plan import complete_sessions, missing_ranges
from tradegraph_dagster.cli.runs import Runner
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.jobs import BARS, INTAKE, market_selections
from tradegraph_dagster.partitions import month_of, next_month
from tradegraph_dagster.resources.desk import MarketDesk


@dataclass
class Outcome:
    """What a backfill did: runs, partitions made, and what was withheld in the failures' words."""

    runs: int = 0
    partitions: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Nothing was withheld."""
        return not self.problems


def backfill_sessions(
    runner: Runner,
    progress: Progress,
    market: str,
    selection: str,
    sessions: tuple[date, ...],
    *,
    remake: bool = False,
) -> Outcome:
    """Run one selection over the sessions that are missing from the lake, or over all of them."""
    desk = runner.desks[market]
    tables = market_selections(desk.settings)[selection]
    task = progress.add_task(f"{market} {selection}", total=len(sessions))
    outcome = Outcome()
    for chunk in missing_ranges(desk.workspace.store, tables, sessions, remake=remake):
        _run_chunk(runner, outcome, market, selection, chunk, remake=remake)
        progress.advance(task, len(chunk))
    progress.update(task, completed=len(sessions))
    return outcome


def backfill_bars(
    runner: Runner,
    progress: Progress,
    market: str,
    sessions: tuple[date, ...],
    *,
    reingest: bool = False,
) -> Outcome:
    """Bars up to their gates, where they are missing.

    Sessions that were landed are adjusted and judged again without asking a source, which may know
    the newest session only. With `reingest` the sources are asked for every session of the span.
    """
    store = runner.desks[market].workspace.store
    task = progress.add_task(f"{market} bars", total=len(sessions))
    outcome = Outcome()
    for chunk in missing_ranges(store, BARS, sessions, remake=reingest):
        landed = frozenset() if reingest else complete_sessions(store, INTAKE)
        for is_landed, days in groupby(chunk, key=landed.__contains__):
            selection = "adjusted" if is_landed else "bars"
            _run_chunk(runner, outcome, market, selection, tuple(days), remake=reingest)
        progress.advance(task, len(chunk))
    progress.update(task, completed=len(sessions))
    return outcome


def _run_chunk(
    runner: Runner,
    outcome: Outcome,
    market: str,
    selection: str,
    chunk: tuple[date, ...],
    *,
    remake: bool,
) -> None:
    """Run a selection over a chunk and count what its last table gained, or was made anew."""
    desk = runner.desks[market]
    store, last = desk.workspace.store, market_selections(desk.settings)[selection][-1]
    before = frozenset() if remake else store.partitions(last)
    run = runner.run(market, selection, chunk)
    outcome.runs += 1
    outcome.partitions += len(store.partitions(last).intersection(chunk) - before)
    outcome.problems.extend(run.problems)


def backfill_months(
    runner: Runner,
    progress: Progress,
    market: str,
    months: tuple[date, ...],
    *,
    retrain: bool = False,
) -> Outcome:
    """Train, evaluate and promote for the months that are missing, or for all of them, in order."""
    store = runner.desks[market].workspace.store
    task = progress.add_task(f"{market} training", total=len(months))
    outcome = Outcome()
    for month in months:
        if retrain or month not in store.partitions("champion"):
            run = runner.run(market, "training", (month,))
            outcome.runs += 1
            outcome.partitions += run.succeeded
            outcome.problems.extend(run.problems)
        progress.advance(task)
    return outcome


def research_sessions(desk: MarketDesk, first: date, last: date) -> tuple[date, ...]:
    """Sessions of the lake's history within a span."""
    newest = min(last, desk.latest_closed())
    return desk.market.calendar.between(max(first, desk.settings.history_first), newest)


def backfill_labels(
    runner: Runner,
    progress: Progress,
    market: str,
    sessions: tuple[date, ...],
    *,
    remake: bool = False,
) -> Outcome:
    """The labels of every horizon that the bars of some sessions have completed."""
    desk = runner.desks[market]
    outcome = Outcome()
    for span in desk.settings.label_spans:
        known = labelled_sessions(desk, sessions, span)
        part = backfill_sessions(runner, progress, market, span.table.name, known, remake=remake)
        outcome.runs += part.runs
        outcome.partitions += part.partitions
        outcome.problems += part.problems
    return outcome


def labelled_sessions(
    desk: MarketDesk, sessions: tuple[date, ...], span: LabelSpan
) -> tuple[date, ...]:
    """Sessions whose labels the validated bars of `sessions` have completed.

    They begin as far before these as the span reaches, and end as far before the newest validated.
    """
    calendar = desk.market.calendar
    present = desk.workspace.store.partitions("validated_bars")
    validated = [day for day in sessions if day in present]
    if not validated:
        return ()
    first = calendar.trailing(sessions[0], span.exit + 1, first=desk.settings.history_first)[0]
    return calendar.between(first, validated[-1])[: -span.exit]


def training_months(desk: MarketDesk, sessions: tuple[date, ...]) -> tuple[date, ...]:
    """Trading months the sessions lie in, from the first that is trained for."""
    return tuple(_months(max(desk.settings.training.first_month, month_of(sessions[0])), sessions))


def _months(first: date, sessions: tuple[date, ...]) -> Iterator[date]:
    month = first
    while month <= sessions[-1]:
        yield month
        month = next_month(month)
