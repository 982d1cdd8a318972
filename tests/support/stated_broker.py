"""A broker that says what a test tells it to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tradegraph_dagster.domain.core.errors import BrokerUnavailable
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderIntent,
    Venue,
)


@dataclass
class StatedBroker:
    """Satisfies the Broker port; nothing is ever sent. Questions in `silent` get no answer."""

    positions: dict[str, int] = field(default_factory=dict)
    cash: Decimal = Decimal(0)
    fills: list[Fill] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    open_orders: list[BrokerOrder] = field(default_factory=list)
    statement_session: date | None = None
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    name: str = "sim"

    @property
    def venue(self) -> Venue:
        return Venue()

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        raise AssertionError(f"nothing is to be sent, found {intent}")

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        raise AssertionError(f"nothing is to be canceled, found {client_order_id}")

    def order(self, client_order_id: str) -> BrokerOrder | None:
        self._answer("order")
        self.asked.append(client_order_id)
        return self.orders.get(client_order_id)

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        self._answer("executions")
        return (
            [fill for fill in self.fills if fill.session == session],
            [booking for booking in self.bookings if booking.session == session],
        )

    def statement(self, session: date) -> BrokerStatement:
        self._answer("statement")
        return BrokerStatement(
            self.statement_session or session,
            dict(self.positions),
            self.cash,
            tuple(self.open_orders),
        )

    def _answer(self, question: str) -> None:
        if question in self.silent:
            raise BrokerUnavailable(f"no answer to {question}")
