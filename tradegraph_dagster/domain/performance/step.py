"""Measure a session: its profit and loss, costs, exposure and benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import Book, Booking, Fill
from tradegraph_dagster.domain.performance.pnl import activity_to_pnl, universe_to_benchmark
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

    Sessions are measured forward in time: the row needs the previous one, unless there is none.

    Raises:
        MissingSession: The session's positions or adjusted bars do not exist.
    """
    bars = ws.store.read(ADJUSTED_BARS, [session])
    benchmark = _measure_benchmark(ws, session, bars)
    frame = activity_to_pnl(
        _gather_activity(ws, session, books),
        _closing_prices(ws, session, bars),
        history=_read_history(ws, session),
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
    return SessionActivity(
        session=session,
        book=_fold(ws, session, fills, bookings),
        book_before=_fold(
            ws,
            ws.calendar.previous(session),
            [fill for fill in fills if fill.session < session],
            [booking for booking in bookings if booking.session < session],
        ),
        fills=[fill for fill in fills if fill.session == session],
        bookings=[booking for booking in bookings if booking.session == session],
    )


def _fold(ws: Workspace, session: date, fills: Sequence[Fill], bookings: Sequence[Booking]) -> Book:
    return executions_to_book(
        fills, bookings, session=session, unsellable_sessions=ws.market.unsellable_sessions
    )


def _closing_prices(ws: Workspace, session: date, bars: pl.DataFrame) -> dict[str, float]:
    """Newest raw closes; what reconciliation valued a holding at goes first."""
    priced = bars.drop_nulls("last_raw_close")
    held = ws.store.read(POSITIONS, [session])
    return dict(zip(priced["symbol"], priced["last_raw_close"], strict=True)) | dict(
        zip(held["symbol"], held["last_price"], strict=True)
    )


def _read_history(ws: Workspace, session: date) -> EquityHistory:
    days = sorted(day for day in ws.store.partitions(DAILY_PNL.name) if day < session)
    if not days:
        return EquityHistory()
    equity: list[float] = ws.store.read(DAILY_PNL, days)["equity"].to_list()
    return EquityHistory(previous=equity[-1], peak=max(equity))


def _measure_benchmark(ws: Workspace, session: date, bars: pl.DataFrame) -> Benchmark:
    before = ws.trailing(session, 2)[:-1]
    if not before or before[0] not in ws.store.partitions(UNIVERSE.name):
        return Benchmark()
    return universe_to_benchmark(ws.store.read(UNIVERSE, before), bars)
