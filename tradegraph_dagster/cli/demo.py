"""The demo: both markets from raw bars to reconciled positions; run again it changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress

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
from tradegraph_dagster.cli.runs import Runner, RunOutcome
from tradegraph_dagster.domain.core.errors import NoChampion
from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.orders.schema import FILLS, ORDERS, OrderStatus
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.domain.registry.history import (
    champion_as_of,
    champion_at,
    champion_history,
)
from tradegraph_dagster.jobs import PRE_OPEN, SETTLEMENT, market_selections
from tradegraph_dagster.resources.desk import MarketDesk
from tradegraph_dagster.resources.feature_page import page_path


def run_demo(runner: Runner, trading_sessions: int) -> dict[str, Any]:
    """Backfill, train, promote, trade, settle and report; returns what was done."""
    started = time.perf_counter()
    markets: dict[str, dict[str, Any]] = {}
    with progress_bar() as progress:
        for market in runner.desks:
            markets[market] = _run_market(runner, progress, market, trading_sessions)
        steps: list[tuple[str, Callable[[], RunOutcome]]] = [
            (f"{name} feature page", partial(runner.feature_page, name))
            for name, desk in runner.desks.items()
            if not page_path(desk, desk.feature_set.name).exists()
        ]
        for name, run in (*steps, ("report", runner.report), ("marts", runner.marts)):
            task = progress.add_task(name, total=1)
            outcome = run()
            progress.advance(task)
            if not outcome.succeeded:
                markets[next(iter(markets))]["problems"].extend(outcome.problems)
    return {
        "markets": markets,
        "succeeded": not any(facts["problems"] for facts in markets.values()),
        "changed": _remember(runner, markets),
        "seconds": round(time.perf_counter() - started, 1),
        "report": str(runner.desks.settings.root / "report.html"),
    }


def _run_market(
    runner: Runner, progress: Progress, market: str, trading_sessions: int
) -> dict[str, Any]:
    desk = runner.desks[market]
    sessions = research_sessions(desk, date.min, date.max)
    outcomes = [
        backfill_bars(runner, progress, market, sessions),
        backfill_sessions(runner, progress, market, "features", sessions),
        backfill_labels(runner, progress, market, sessions),
        backfill_months(runner, progress, market, training_months(desk, sessions)),
    ]
    forecast = _forecast_sessions(desk, sessions)
    outcomes.append(backfill_sessions(runner, progress, market, "signals", forecast))
    traded = forecast[-trading_sessions - 1 :]
    outcomes.append(_trade(runner, progress, market, traded))
    return _facts(desk, sessions, traded, outcomes)


def _forecast_sessions(desk: MarketDesk, sessions: tuple[date, ...]) -> tuple[date, ...]:
    history = champion_history(desk.workspace)
    known = tuple(day for day in sessions if champion_at(history, day) is not None)
    if not known:
        raise NoChampion("no candidate was ever promoted; there is nothing to trade with")
    return known


def _trade(runner: Runner, progress: Progress, market: str, sessions: tuple[date, ...]) -> Outcome:
    """Open the books on the first session, then decide, send, fill and reconcile on each."""
    store = runner.desks[market].workspace.store
    task = progress.add_task(f"{market} trading", total=len(sessions))
    outcome = Outcome()
    for number, session in enumerate(sessions):
        steps = ("settlement",) if number == 0 else ("pre_open", "settlement")
        for selection in steps:
            tables = {"pre_open": PRE_OPEN, "settlement": SETTLEMENT}[selection]
            if all(session in store.partitions(table) for table in tables) and not _pending(
                runner.desks[market], session
            ):
                continue
            run = runner.run(market, selection, (session,))
            outcome.runs += 1
            outcome.partitions += len(tables)
            outcome.problems.extend(run.problems)
            if not run.succeeded:
                return outcome
        progress.advance(task)
    return outcome


def _pending(desk: MarketDesk, session: date) -> bool:
    """Whether an order of the session has not been sent, or its sending was not answered."""
    waiting = {OrderStatus.INTENT, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN}
    return any(record.status in waiting for record in desk.books.orders.orders(session))


def _facts(
    desk: MarketDesk,
    sessions: tuple[date, ...],
    traded: tuple[date, ...],
    outcomes: list[Outcome],
) -> dict[str, Any]:
    store = desk.workspace.store
    settled = [day for day in traded if day in store.partitions(DAILY_PNL.name)]
    ordered = [day for day in traded if day in store.partitions(ORDERS.name)]
    pnl = store.read(DAILY_PNL, settled)
    return {
        "sessions": len(sessions),
        "validated": len(store.partitions("validated_bars")),
        "models": len(store.partitions("champion")),
        "champion": champion_as_of(desk.workspace, sessions[-1]) or "none",
        "traded_sessions": len(ordered),
        "orders": store.read(ORDERS, ordered).height,
        "fills": store.read(FILLS, settled).height,
        "breaks": store.read(BREAKS, settled).height,
        "equity": float(pnl["equity"][-1]) if pnl.height else 0.0,
        "runs": sum(outcome.runs for outcome in outcomes),
        "fingerprint": _lake_fingerprint(desk)[:16],
        "problems": [problem for outcome in outcomes for problem in outcome.problems],
    }


def _lake_fingerprint(desk: MarketDesk) -> str:
    """One hash over the fingerprints of every partition of every table but the audit's.

    The audit chain holds the instants at which things were done, so it differs between machines.
    """
    tables = dict(_table_fingerprints(desk))
    return data_fingerprint({name: tables[name] for name in tables if name != "audit_checkpoint"})


def _table_fingerprints(desk: MarketDesk) -> Iterator[tuple[str, str]]:
    store = desk.workspace.store
    selections = market_selections(desk.settings)
    for table in sorted({table for tables in selections.values() for table in tables}):
        parts = sorted(store.partitions(table))
        yield table, data_fingerprint([[str(day), store.fingerprint(table, day)] for day in parts])


def _remember(runner: Runner, markets: dict[str, dict[str, Any]]) -> bool:
    """Whether anything differs from the last run of the demo; keeps this one for the next."""
    path = Path(runner.desks.settings.root, "demo.json")
    now = {
        market: {name: facts[name] for name in ("fingerprint", "orders", "fills")}
        for market, facts in markets.items()
    }
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    path.write_text(json.dumps(now, indent=2), encoding="utf-8")
    return before != now
