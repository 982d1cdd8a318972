"""Trades that Alpaca takes back or corrects, and entries that nobody here can read."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.ledgers import NOW, SESSION
from tradegraph_dagster.adapters.alpaca.trading_activities import (
    Activity,
    activity_to_booking,
    corrections_to_trades,
    read_activity,
    trade_to_fill,
)
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import Booking, Fill, IncidentKind

ZONE = ZoneInfo("America/New_York")


def fill_row(name: str = "e1", **changes: Any) -> dict[str, Any]:
    return {
        "id": f"20240103100405123::{name}",
        "activity_type": "FILL",
        "type": "fill",
        "price": "10.00",
        "qty": "100",
        "side": "buy",
        "symbol": "AAPL",
        "transaction_time": "2024-01-03T15:04:05Z",
        "order_id": "o-1",
    } | changes


def correction_row(name: str = "e2", *, of: str = "e1", **changes: Any) -> dict[str, Any]:
    previous = f"20240103100405123::{of}"
    return fill_row(name, type="trade_correct", previous_id=previous, **changes)


def read(*rows: dict[str, Any]) -> list[Activity]:
    activities = [read_activity(row, ZONE) for row in rows]
    return corrections_to_trades([one for one in activities if one is not None])


def to_executions(activities: list[Activity]) -> tuple[list[Fill], list[Booking]]:
    where: dict[str, Any] = {"market": "us", "session": SESSION}
    fills = [trade_to_fill(one, one.trade, "tg1-a", **where) for one in activities if one.trade]
    booked = [activity_to_booking(one, **where) for one in activities if not one.trade]
    return fills, [one for one in booked if one is not None]


def held(books: TradingBooks) -> tuple[dict[str, int], str]:
    """Shares by symbol, and cash."""
    fills, bookings = books.executions.fills(SESSION), books.executions.bookings(SESSION)
    book = executions_to_book(fills, bookings, session=SESSION, unsellable_sessions=0)
    return {name: one.quantity_shares for name, one in book.positions.items()}, str(book.cash)


@pytest.fixture
def books() -> TradingBooks:
    return memory_books(market="us", clock=FixedClock(NOW))


def test_a_correction_takes_the_trade_back_and_its_place(books: TradingBooks) -> None:
    trade = fill_row()
    books.executions.record_executions(*to_executions(read(trade)))
    corrected = read(trade, correction_row(price="9.00", qty="90"))
    booked = books.executions.record_executions(*to_executions(corrected))
    assert (booked.new, booked.repeated, booked.incidents) == (2, 1, ())
    assert held(books) == ({"AAPL": 90}, "-810.00")
    assert sum(one.shares for one in corrected) == 90
    assert sum(one.cash for one in corrected) == -810


def test_a_correction_of_a_correction_takes_that_back(books: TradingBooks) -> None:
    rows = [fill_row(), correction_row(qty="90"), correction_row("e3", of="e2", qty="80")]
    booked = books.executions.record_executions(*to_executions(read(*rows)))
    assert booked.incidents == ()
    assert held(books) == ({"AAPL": 80}, "-800.00")


@pytest.mark.parametrize(
    "row",
    [
        correction_row(of="e9"),
        fill_row("e2", type="trade_correct"),
        fill_row("e2", type="trade_bust"),
        fill_row("e2", type="restated"),
        fill_row("e2", type=None),
        {
            "id": "20240103100405123::e2",
            "activity_type": "FILL",
            "type": "new word",
            "transaction_time": "2024-01-03T15:04:05Z",
        },
    ],
    ids=["of what is not known", "no name", "bust of no name", "other", "none", "other fields"],
)
def test_what_cannot_be_read_is_told_of_and_never_a_second_fill(
    books: TradingBooks, row: dict[str, Any]
) -> None:
    booked = books.executions.record_executions(*to_executions(read(fill_row(), row)))
    (incident,) = booked.incidents
    assert (booked.new, incident.kind) == (1, IncidentKind.ODD_EXECUTION)
    assert incident.blocks
    assert incident.reference.endswith("::e2")
    assert held(books) == ({"AAPL": 100}, "-1000.00")


def test_a_part_of_a_fill_is_a_fill(books: TradingBooks) -> None:
    rows = [fill_row(type="partial_fill", qty="40"), fill_row("e2", qty="60")]
    assert books.executions.record_executions(*to_executions(read(*rows))).incidents == ()
    assert held(books) == ({"AAPL": 100}, "-1000.00")
