"""Measure a session: its profit and loss, costs, exposure and benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.prices import read_prices
from tradegraph_dagster.domain.orders.schema import Book, Booking, Fill
from tradegraph_dagster.domain.performance.pnl import (
    activity_to_pnl,
    rows_to_history,
    universe_to_benchmark,
)
from tradegraph_dagster.domain.performance.schema import (
    DAILY_PNL,
    Benchmark,
    EquityHistory,
    SessionActivity,
)
from tradegraph_dagster.domain.reconciliation.schema import POSITIONS
from tradegraph_dagster.domain.universe.schema import UNIVERSE


def measure_session(ws: Workspace, *, session: date, books: TradingBooks) -> Written:
    """Write the session's row of DAILY_PNL.

    Raises:
        MissingSession: The session's positions or adjusted bars do not exist, or trading began
            earlier and the previous session has not been measured: measure forward in time.
    """
    bars = ws.store.read(ADJUSTED_BARS, [session])
    benchmark = _measure_benchmark(ws, session, bars)
    activity = _gather_activity(ws, session, books)
    frame = activity_to_pnl(
        activity,
        _closing_prices(ws, session),
        history=_read_history(ws, session, trading_began=activity.book_before.session is not None),
        benchmark=benchmark,
    )
    facts: Mapping[str, float | int | str] = {
        "equity": frame["equity"].item(),
        "pnl": frame["pnl"].item(),
        "benchmark_names": benchmark.names,
        "benchmark_names_without_return": benchmark.unpriced,
    }
    fingerprint = ws.store.write(DAILY_PNL, session, frame)
    return Written(session, frame.height, fingerprint, facts)


def _gather_activity(ws: Workspace, session: date, books: TradingBooks) -> SessionActivity:
    fills = books.executions.fills(session)
    bookings = books.executions.bookings(session)
    old_fills = [fill for fill in fills if fill.session < session]
    old_bookings = [booking for booking in bookings if booking.session < session]
    began = bool(old_fills or old_bookings)
    return SessionActivity(
        session=session,
        book=_fold(ws, session, fills, bookings),
        book_before=_fold(ws, ws.calendar.previous(session), old_fills, old_bookings)
        if began
        else Book(session=None, positions={}, cash=ZERO, fees=ZERO),
        fills=[fill for fill in fills if fill.session == session],
        bookings=[booking for booking in bookings if booking.session == session],
    )


def _fold(ws: Workspace, session: date, fills: Sequence[Fill], bookings: Sequence[Booking]) -> Book:
    return executions_to_book(
        fills, bookings, session=session, unsellable_sessions=ws.market.unsellable_sessions
    )


def _closing_prices(ws: Workspace, session: date) -> dict[str, float]:
    """The session's prices; what reconciliation valued a holding at goes first."""
    held = ws.store.read(POSITIONS, [session])
    return read_prices(ws, session) | dict(zip(held["symbol"], held["last_price"], strict=True))


def _read_history(ws: Workspace, session: date, *, trading_began: bool) -> EquityHistory:
    days = sorted(day for day in ws.store.partitions(DAILY_PNL.name) if day < session)
    before = ws.trailing(session, 2)[:-1]
    if days[-1:] != list(before) and (days or trading_began):
        raise MissingSession(
            f"the row of {before[0] if before else 'an earlier session'} does not exist; "
            "measure the sessions in order",
            table=DAILY_PNL.name,
            session=session,
        )
    return rows_to_history(ws.store.read(DAILY_PNL, days))


def _measure_benchmark(ws: Workspace, session: date, bars: pl.DataFrame) -> Benchmark:
    before = ws.trailing(session, 2)[:-1]
    if not before or before[0] not in ws.store.partitions(UNIVERSE.name):
        return Benchmark()
    return universe_to_benchmark(ws.store.read(UNIVERSE, before), bars)
