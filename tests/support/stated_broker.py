"""A broker that says what a test tells it to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderIntent,
)


@dataclass
class StatedBroker:
    """Satisfies the Broker port; nothing is ever sent."""

    positions: dict[str, int] = field(default_factory=dict)
    cash: Decimal = Decimal(0)
    fills: list[Fill] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    statement_session: date | None = None
    name: str = "sim"

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        raise AssertionError(f"nothing is to be sent, found {intent}")

    def order(self, client_order_id: str) -> BrokerOrder | None:
        return self.orders.get(client_order_id)

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        return (
            [fill for fill in self.fills if fill.session == session],
            [booking for booking in self.bookings if booking.session == session],
        )

    def statement(self, session: date) -> BrokerStatement:
        return BrokerStatement(self.statement_session or session, dict(self.positions), self.cash)
