"""One session from end to end, and the research of a span."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.cli.backfill import (
    Outcome,
    backfill_bars,
    backfill_labels,
    backfill_months,
    backfill_sessions,
    research_sessions,
    training_months,
)
from tradegraph_dagster.cli.output import progress_bar
from tradegraph_dagster.cli.runs import Runner
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.registry.history import champion_at, champion_history


def run_day(runner: Runner, market: str, session: date) -> dict[str, Any]:
    """Decide and send for a session, then ingest, research, settle and reconcile it.

    On the first session of a market the books are opened instead: there is nothing to decide from.
    What was sent is settled even when the decision or the sending failed part-way.

    Raises:
        MissingSession: Not a session of the market.
    """
    desk = runner.desks[market]
    if not desk.market.calendar.is_session(session):
        raise MissingSession(f"{desk.market.calendar.name} is closed", session=session)
    opened = desk.books.reconciliations.latest() is not None
    selections = ("pre_open", "after_close") if opened else ("after_close",)
    outcome = Outcome()
    for selection in selections:
        run = runner.run(market, selection, (session,))
        outcome.runs += 1
        outcome.problems.extend(run.problems)
    return {"market": market, "session": str(session), "runs": outcome.runs} | {
        "problems": outcome.problems
    }


def backfill_span(
    runner: Runner,
    market: str,
    span: tuple[date, date],
    *,
    reingest: bool = False,
    remake: bool = False,
    retrain: bool = False,
) -> dict[str, Any]:
    """Bars, features, labels, models and signals of the days of a span, only what is missing.

    With `reingest` the sources are asked again for what is landed. With `remake` features, labels
    and signals are computed again where they are there already: what they were made from has
    changed. Models stay what they were, unless `retrain`: then those of the span's months are
    trained, evaluated and decided again, in order, and signals are made again with them.

    Raises:
        MissingSession: The span holds no closed session of the market's history.
    """
    desk = runner.desks[market]
    sessions = research_sessions(desk, *span)
    if not sessions:
        raise MissingSession(
            f"no closed session from {span[0]} to {span[1]}; the history runs from "
            f"{desk.settings.history_first} to {desk.latest_closed()}"
        )
    with progress_bar() as progress:
        outcomes = {
            "bars": backfill_bars(runner, progress, market, sessions, reingest=reingest),
            "features": backfill_sessions(
                runner, progress, market, "features", sessions, remake=remake
            ),
            "labels": backfill_labels(runner, progress, market, sessions, remake=remake),
            "months": backfill_months(
                runner, progress, market, training_months(desk, sessions), retrain=retrain
            ),
        }
        history = champion_history(desk.workspace)
        known = tuple(day for day in sessions if champion_at(history, day) is not None)
        outcomes["signals"] = backfill_sessions(
            runner, progress, market, "signals", known, remake=remake or retrain
        )
    return {
        "market": market,
        "sessions": len(sessions),
        **{name: outcome.partitions for name, outcome in outcomes.items()},
        "runs": sum(outcome.runs for outcome in outcomes.values()),
        "problems": [problem for outcome in outcomes.values() for problem in outcome.problems],
    }
