"""Which of the broker's facts the ledger lacks. Executions and ends of orders are facts: they win.

Positions and cash are no facts of their own but folds: what still differs once the executions are
booked is for a person, see `acknowledgement`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tradegraph_dagster.domain.orders.order_machine import event_to_transition
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    EventSource,
    Fill,
    OrderEvent,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.orders.sending import answer_to_event
from tradegraph_dagster.domain.reconciliation.schema import (
    Adoption,
    Break,
    BrokerView,
    LedgerView,
)


def views_to_adoption(ledger: LedgerView, broker: BrokerView, breaks: Sequence[Break]) -> Adoption:
    """What to book and to store so that the ledger knows what the broker knows.

    An execution or booking whose id the ledger has with other content is not taken over: which of
    the two is right is for a person.

    Args:
        ledger: Our side.
        broker: Its side, of the same session.
        breaks: How the two differ.
    """
    fills, bookings = _unknown_fills(ledger, broker), _unknown_bookings(ledger, broker)
    adopted = {fill.execution_id for fill in fills} | {one.booking_id for one in bookings}
    return Adoption(
        fills=fills,
        bookings=bookings,
        events=tuple(_events(ledger, broker)),
        breaks=tuple(one for one in breaks if one.reference in adopted),
    )


def _unknown_fills(ledger: LedgerView, broker: BrokerView) -> tuple[Fill, ...]:
    known = {(fill.broker, fill.execution_id) for fill in ledger.fills}
    return tuple(fill for fill in broker.fills if (fill.broker, fill.execution_id) not in known)


def _unknown_bookings(ledger: LedgerView, broker: BrokerView) -> tuple[Booking, ...]:
    known = {(one.broker, one.booking_id) for one in ledger.bookings}
    return tuple(one for one in broker.bookings if (one.broker, one.booking_id) not in known)


def _events(ledger: LedgerView, broker: BrokerView) -> Iterator[OrderEvent]:
    """What the broker says of orders that may still change, where the machine would move them."""
    for record in ledger.orders:
        theirs = broker.orders.get(record.intent.client_order_id)
        if theirs is None or record.status is OrderStatus.INTENT or record.status.is_terminal:
            # What was never sent is not moved by an answer; the break is named.
            continue
        event = answer_to_event(theirs, EventSource.RECONCILIATION)
        if _is_shown_by_fills(record, theirs) and event_to_transition(record, event).is_change:
            yield event


def _is_shown_by_fills(record: OrderRecord, theirs: BrokerOrder) -> bool:
    """Fills make an order filled, the broker's status does not."""
    return theirs.status is not OrderStatus.FILLED or record.filled_shares >= theirs.filled_shares
