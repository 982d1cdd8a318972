"""Measure a session: profit and loss of the account, and of each strategy's symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import book_through
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.prices import read_prices
from tradegraph_dagster.domain.orders.schema import Book
from tradegraph_dagster.domain.performance.attribution import NOBODY, Share, attribute
from tradegraph_dagster.domain.performance.lines import (
    Line,
    LineKey,
    frame_to_lines,
    lines_to_frame,
    shares_to_lines,
)
from tradegraph_dagster.domain.performance.pnl import (
    activity_to_pnl,
    rows_to_history,
    rows_to_late,
    universe_to_benchmark,
)
from tradegraph_dagster.domain.performance.schema import (
    DAILY_PNL,
    STRATEGY_PNL,
    Amounts,
    Benchmark,
    SessionActivity,
)
from tradegraph_dagster.domain.reconciliation.schema import POSITIONS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

# Of a session's symbols in words; the table has them all.
SYMBOLS_SHOWN = 10


def measure_session(
    ws: Workspace, *, session: date, books: TradingBooks
) -> tuple[Written, Written]:
    """Write the session's row of DAILY_PNL and its rows of STRATEGY_PNL.

    Returns:
        What was written of each.

    Raises:
        MissingSession: The session's positions or adjusted bars do not exist, or trading began
            earlier and the previous session has not been measured: measure forward in time.
    """
    bars = ws.store.read(ADJUSTED_BARS, [session])
    benchmark = _measure_benchmark(ws, session, bars)
    activity = _gather_activity(ws, session, books)
    prices = _closing_prices(ws, session)
    rows = _rows_before(ws, session, trading_began=activity.book_before.session is not None)
    account = activity_to_pnl(
        replace(activity, late=_late(session, activity.book_before, rows, books)),
        prices,
        history=rows_to_history(rows),
        benchmark=benchmark,
    )
    before = _lines_before(ws, session, books)
    lines = shares_to_lines(
        _attribute(session, books, before), prices, session=session, before=before
    )
    facts: Mapping[str, float | int | str] = {
        "equity": account["equity"].item(),
        "pnl": account["pnl"].item(),
        "benchmark_names": benchmark.names,
        "benchmark_names_without_return": benchmark.unpriced,
    }
    by_strategy = lines_to_frame(lines, before, session)
    return (
        Written(session, 1, ws.store.write(DAILY_PNL, session, account), facts),
        Written(
            session,
            by_strategy.height,
            ws.store.write(STRATEGY_PNL, session, by_strategy),
            _lines_to_facts(by_strategy),
        ),
    )


def _lines_to_facts(lines: pl.DataFrame) -> dict[str, float | int | str]:
    """Each strategy's profit of the session, and the symbols that moved it most."""
    facts: dict[str, float | int | str] = {
        f"pnl_{strategy or 'nobody'}": pnl
        for strategy, pnl in lines.group_by("strategy", maintain_order=True)
        .agg(pl.col("pnl").sum())
        .iter_rows()
    }
    largest = lines.sort(pl.col("pnl").abs(), descending=True).head(SYMBOLS_SHOWN)
    words = [
        f"{row['symbol'] or 'account'} {row['pnl']:+.2f}" for row in largest.iter_rows(named=True)
    ]
    return facts | ({"largest_moves": ", ".join(words)} if words else {})


def _lines_before(ws: Workspace, session: date, books: TradingBooks) -> dict[LineKey, Line]:
    """Lines of the session before; folded from the ledger where they were never measured."""
    before = ws.trailing(session, 2)[:-1]
    if not before:
        return {}
    if before[0] in ws.store.partitions(STRATEGY_PNL.name):
        return frame_to_lines(ws.store.read(STRATEGY_PNL, before))
    if before[0] not in ws.store.partitions(POSITIONS.name):
        return {}
    shares = _attribute(before[0], books, {})
    return shares_to_lines(shares, _closing_prices(ws, before[0]), session=before[0], before={})


def _attribute(
    session: date, books: TradingBooks, before: Mapping[LineKey, Line]
) -> tuple[Share, ...]:
    decided: dict[str, str] = {}

    def strategy_of(client_order_id: str) -> str:
        record = books.orders.order(client_order_id)
        if record is None:
            return NOBODY
        name = record.intent.decision_id
        if name not in decided:
            decision = books.decisions.decision(name)
            decided[name] = NOBODY if decision is None else decision.strategy
        return decided[name]

    strategies = {strategy for strategy, _ in before} - {NOBODY}
    strategies |= {
        strategy_of(record.intent.client_order_id) for record in books.orders.orders(session)[:1]
    }
    return attribute(
        books.executions.fills(session),
        books.executions.bookings(session),
        sorted(strategies),
        look_up=strategy_of,
    )


def _gather_activity(ws: Workspace, session: date, books: TradingBooks) -> SessionActivity:
    fills = books.executions.fills(session)
    bookings = books.executions.bookings(session)
    old_fills = [fill for fill in fills if fill.session < session]
    old_bookings = [booking for booking in bookings if booking.session < session]
    began = bool(old_fills or old_bookings)
    return SessionActivity(
        session=session,
        book=book_through(ws, session, fills, bookings),
        book_before=book_through(ws, ws.calendar.previous(session), old_fills, old_bookings)
        if began
        else Book(session=None, positions={}, cash=ZERO, fees=ZERO),
        fills=[fill for fill in fills if fill.session == session],
        bookings=[booking for booking in bookings if booking.session == session],
    )


def _closing_prices(ws: Workspace, session: date) -> dict[str, float]:
    """The session's prices; what reconciliation valued a holding at goes first."""
    held = ws.store.read(POSITIONS, [session])
    return read_prices(ws, session) | dict(zip(held["symbol"], held["last_price"], strict=True))


def _late(session: date, book_before: Book, rows: pl.DataFrame, books: TradingBooks) -> Amounts:
    known = books.executions.bookings(session)
    return rows_to_late(rows, book_before, [one for one in known if one.session < session])


def _rows_before(ws: Workspace, session: date, *, trading_began: bool) -> pl.DataFrame:
    days = sorted(day for day in ws.store.partitions(DAILY_PNL.name) if day < session)
    before = ws.trailing(session, 2)[:-1]
    if days[-1:] != list(before) and (days or trading_began):
        raise MissingSession(
            f"the row of {before[0] if before else 'an earlier session'} does not exist; "
            "measure the sessions in order",
            table=DAILY_PNL.name,
            session=session,
        )
    return ws.store.read(DAILY_PNL, days)


def _measure_benchmark(ws: Workspace, session: date, bars: pl.DataFrame) -> Benchmark:
    before = ws.trailing(session, 2)[:-1]
    if not before or before[0] not in ws.store.partitions(UNIVERSE.name):
        return Benchmark()
    return universe_to_benchmark(ws.store.read(UNIVERSE, before), bars)
