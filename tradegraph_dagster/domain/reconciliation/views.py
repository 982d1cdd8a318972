"""Read both sides of a session. Nothing is changed, here or at the broker.

Each order of ours is asked for by its id: a list of open orders alone never says that an order does
not exist. A question that fails is an error: what is not known is never taken for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tradegraph_dagster.domain.core.errors import StaleData
from tradegraph_dagster.domain.core.ids import ORDER_PREFIX
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import book_through
from tradegraph_dagster.domain.orders.admission import admit_executions
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    Book,
    BrokerStatement,
    Fill,
    OrderRecord,
)
from tradegraph_dagster.domain.reconciliation.schema import (
    ADJUSTMENT,
    BREAKS,
    BrokerView,
    LedgerView,
)


def read_statement(broker: Broker, session: date) -> BrokerStatement:
    """The broker's statement of a session.

    Raises:
        StaleData: It is of another session.
        BrokerUnavailable: A part of it could not be read.
    """
    statement = broker.statement(session)
    if statement.session != session:
        raise StaleData(
            f"{broker.name} gave the statement of {statement.session}; ask again after its close",
            table=BREAKS.name,
            session=session,
        )
    return statement


def read_book(ws: Workspace, session: date, books: TradingBooks) -> Book:
    """The ledger's positions and cash after a session."""
    return book_through(
        ws, session, books.executions.fills(session), books.executions.bookings(session)
    )


def read_adjustments(books: TradingBooks) -> dict[str, bool]:
    """Id of each adjustment booked so far, of any session -> whether it moved shares or cash."""
    bookings = books.executions.bookings(date.max)
    return {
        one.booking_id: bool(one.shares or one.cash) for one in bookings if one.kind == ADJUSTMENT
    }


def gather_ledger(
    ws: Workspace, session: date, books: TradingBooks, named: Sequence[str]
) -> LedgerView:
    """Our side of a session.

    Args:
        ws: The market's rules.
        session: The session.
        books: The ledger.
        named: Client order ids the broker speaks of.
    """
    fills = books.executions.fills(session)
    bookings = books.executions.bookings(session)
    return LedgerView(
        book_through(ws, session, fills, bookings),
        _orders(session, books, named),
        [fill for fill in fills if fill.session == session],
        [booking for booking in bookings if booking.session == session],
        read_adjustments(books),
    )


def gather_broker(session: date, books: TradingBooks, broker: Broker) -> BrokerView:
    """The broker's side of a session.

    Raises:
        BrokerUnavailable: It cannot be asked.
        StaleData: Its statement is of another session.
    """
    statement = read_statement(broker, session)
    # Under the names that the ledger knows them by; a person is told where they are booked.
    executions = admit_executions(*broker.executions(session))
    fills, bookings = executions.fills, executions.bookings
    named = names_at_broker(statement, fills)
    open_orders = {order.client_order_id: order for order in statement.open_orders}
    ours = [
        record.intent.client_order_id
        for record in _orders(session, books, named)
        if record.intent.session <= session
    ]
    answers = {name: broker.order(name) or open_orders.get(name) for name in ours}
    return BrokerView(statement, answers, fills, bookings)


def names_at_broker(statement: BrokerStatement, fills: Sequence[Fill]) -> list[str]:
    """Client order ids of ours that the broker speaks of, sorted."""
    working = {order.client_order_id for order in statement.open_orders}
    ours = {name for name in working if name.startswith(ORDER_PREFIX)}
    return sorted(ours | {fill.client_order_id for fill in fills})


def _orders(session: date, books: TradingBooks, named: Sequence[str]) -> list[OrderRecord]:
    """Orders of the session, and others that may still fill on either side."""
    found = {record.intent.client_order_id: record for record in books.orders.orders(session)}
    for record in books.decisions.commitments(session).working:
        found.setdefault(record.intent.client_order_id, record)
    for name in named:
        known = None if name in found else books.orders.order(name)
        if known is not None:
            found[name] = known
    return [record for _, record in sorted(found.items())]
