"""The end of a session's orders, once its executions are booked."""

from __future__ import annotations

from datetime import date

from tradegraph_dagster.domain.orders.incidents import order_incident
from tradegraph_dagster.domain.orders.order_machine import closing_transition
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    EventSource,
    Incident,
    IncidentKind,
    OrderEvent,
    OrderRecord,
    OrderStatus,
)

_ACKNOWLEDGED = frozenset({OrderStatus.ACKED, OrderStatus.PARTIAL, OrderStatus.PENDING_CANCEL})


def close_orders(books: TradingBooks, broker: Broker, session: date) -> int:
    """End every order of a closed session; returns how many the broker has lost.

    Raises:
        BrokerUnavailable: It cannot be asked about an order that has not ended here.
    """
    lost = 0
    for record in books.orders.orders(session):
        if record.status.is_terminal or record.status is OrderStatus.INTENT:
            known = None
        else:
            known = broker.order(record.intent.client_order_id)
            if known is None and record.status in _ACKNOWLEDGED:
                # Before the order ends, after which nobody asks about it again.
                books.incidents.raise_incidents([_loss(record)])
                lost += 1
        _close(record, known, books)
    return lost


def _loss(record: OrderRecord) -> Incident:
    return order_incident(
        record.intent,
        IncidentKind.ORDER_LOST,
        expected=f"an order that is {record.status}",
        found="the broker says that it never saw it",
    )


def _close(record: OrderRecord, known: BrokerOrder | None, books: TradingBooks) -> None:
    move = closing_transition(record, known)
    if not move.is_change:
        return
    books.orders.apply(
        OrderEvent(
            client_order_id=record.intent.client_order_id,
            status=move.after,
            source=EventSource.RECONCILIATION,
            broker_order_id=known.broker_order_id if known else "",
            updated_at=known.updated_at if known else None,
            reason=move.reason,
            raw=known.raw if known else "",
        )
    )
