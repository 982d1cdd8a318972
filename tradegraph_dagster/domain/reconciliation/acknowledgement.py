"""A person's word on an incident: the ledger adopts what the broker says.

The books of past sessions stay as they were closed: an adjustment is booked in the newest session
that was compared, and makes that one equal. Materialise its positions again afterwards.
"""

from __future__ import annotations

from tradegraph_dagster.domain.core.errors import NotReconciled
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.bookkeeping import not_open
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.schema import Booking, Incident
from tradegraph_dagster.domain.reconciliation.schema import ADJUSTMENT, BREAKS, Break
from tradegraph_dagster.domain.reconciliation.standing import adjustment_id, incident_to_break
from tradegraph_dagster.domain.reconciliation.views import read_book, read_statement

# Whose word an adjustment is: no broker's.
ADJUSTED_BY = "reconciliation"


def acknowledge_incident(
    ws: Workspace,
    incident_id: str,
    *,
    books: TradingBooks,
    broker: Broker,
    actor: str,
    reason: str,
) -> Booking | None:
    """Close an incident; a break is adopted by an adjustment of the ledger, in one transaction.

    Args:
        ws: The market's rules.
        incident_id: One of the open incidents.
        books: The ledger.
        broker: Asked for its statement where a break is about a position or cash.
        actor: Who says so; has been authenticated.
        reason: Why, in words.

    Returns:
        The adjustment; without shares and cash where nothing is left to adopt. None where the
        incident was no break.

    Raises:
        ConfigError: No such open incident.
        NotReconciled: No session was compared yet.
        BrokerUnavailable: The broker cannot be asked; nothing was written.
    """
    incident = _open_incident(books, incident_id)
    found = incident_to_break(incident)
    adjustment = None if found is None else _adjustment(ws, incident, found, books, broker)
    books.incidents.acknowledge(
        incident_id,
        actor=actor,
        reason=reason,
        bookings=() if adjustment is None else (adjustment,),
    )
    return adjustment


def _open_incident(books: TradingBooks, incident_id: str) -> Incident:
    standing = {incident.incident_id: incident for incident in books.incidents.open_incidents()}
    if incident_id not in standing:
        raise not_open(incident_id, standing)
    return standing[incident_id]


def _adjustment(
    ws: Workspace, incident: Incident, found: Break, books: TradingBooks, broker: Broker
) -> Booking:
    latest = books.reconciliations.latest()
    if latest is None:
        raise NotReconciled(
            "no session was compared yet: materialise positions first", table=BREAKS.name
        )
    session = latest[0]
    shares, cash = 0, ZERO
    if not found.reference:
        book, statement = read_book(ws, session, books), read_statement(broker, session)
        if found.symbol:
            held = book.positions.get(found.symbol)
            ours = held.quantity_shares if held else 0
            shares = statement.positions.get(found.symbol, 0) - ours
        else:
            cash = statement.cash - book.cash
    return Booking(
        ADJUSTED_BY,
        adjustment_id(incident),
        ws.market.name,
        session,
        ADJUSTMENT,
        found.symbol,
        shares,
        cash,
    )
