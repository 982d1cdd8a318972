"""A broker that does whatever it is told to, at any time, and keeps its own book of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.support.dying import ProcessDiedError
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    OrderRefused,
    OrderStateUnknown,
)
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderIntent,
    OrderStatus,
    Venue,
)

# What may happen to one submission.
FAULTS = (
    "none",
    "refuse",
    "unavailable",
    "drop_before",
    "drop_after",
    "die_before",
    "die_after",
    "hide",
)
# How long an order that is there may not be found; less than the grace of the submission.
HIDDEN = timedelta(seconds=20)


@dataclass
class Arrival:
    """One order that reached the broker."""

    intent: OrderIntent
    order: BrokerOrder
    visible_from: datetime


class ModelBroker:
    """A Broker. `on_arrival` is called with each id that reaches it, before it is in its book."""

    name = "model"

    def __init__(self, clock: FixedClock, on_arrival: Callable[[str], None]) -> None:
        self.clock = clock
        self.book: dict[str, Arrival] = {}
        self.fills: list[Fill] = []
        self.faults: list[str] = []
        self.cancels: list[str] = []
        self.repeated: list[str] = []
        self._on_arrival = on_arrival

    @property
    def venue(self) -> Venue:
        return Venue()

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        fault = self.faults.pop(0) if self.faults else "none"
        if fault == "refuse":
            raise OrderRefused("not today")
        if fault == "unavailable":
            raise BrokerUnavailable("no route")
        if fault == "drop_before":
            raise OrderStateUnknown("timed out")
        if fault == "die_before":
            raise ProcessDiedError
        answer = self._arrive(intent, is_hidden=fault == "hide")
        if fault in ("drop_after", "hide"):
            raise OrderStateUnknown("connection reset")
        if fault == "die_after":
            raise ProcessDiedError
        return answer

    def order(self, client_order_id: str) -> BrokerOrder | None:
        known = self.book.get(client_order_id)
        if known is None or self.clock.now() < known.visible_from:
            return None
        return known.order

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        way = self.cancels.pop(0) if self.cancels else "canceled"
        known = self.order(client_order_id)
        if way == "unavailable":
            raise BrokerUnavailable("no route")
        if known is None or known.status.is_terminal or way == "refused":
            return known
        status = OrderStatus.CANCELED if way == "canceled" else OrderStatus.PENDING_CANCEL
        return self._put(client_order_id, status=status)

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        return list(self.fills), []

    def statement(self, session: date) -> BrokerStatement:
        raise AssertionError("nobody asks for it")

    def fill(self, client_order_id: str, shares: int, cents: int) -> Fill:
        """Trade shares of an order, whatever it is and however many it still has."""
        arrival = self.book[client_order_id]
        intent, order = arrival.intent, arrival.order
        fill = Fill(
            broker=self.name,
            execution_id=f"x{len(self.fills)}",
            client_order_id=client_order_id,
            market=intent.market,
            session=intent.session,
            symbol=intent.symbol,
            side=intent.side,
            quantity_shares=shares,
            price=Decimal(cents).scaleb(-2),
            fee=Decimal(cents % 97).scaleb(-2),
            filled_at=self.clock.now(),
        )
        self.fills.append(fill)
        filled = order.filled_shares + shares
        status = order.status
        if filled >= intent.quantity_shares:
            status = OrderStatus.FILLED
        elif status is OrderStatus.ACKED:
            status = OrderStatus.PARTIAL
        self._put(client_order_id, status=status, filled_shares=filled)
        return fill

    def bust(self, fill: Fill) -> Fill | None:
        """Take a fill back, once."""
        if fill.busts or any(one.busts == fill.execution_id for one in self.fills):
            return None
        undone = replace(fill, execution_id=f"x{len(self.fills)}", busts=fill.execution_id)
        self.fills.append(undone)
        order = self.book[fill.client_order_id].order
        filled = order.filled_shares - fill.quantity_shares
        self._put(fill.client_order_id, filled_shares=filled)
        return undone

    def end(self, client_order_id: str, status: OrderStatus) -> None:
        """End an order that has not ended."""
        if not self.book[client_order_id].order.status.is_terminal:
            self._put(client_order_id, status=status)

    def _arrive(self, intent: OrderIntent, *, is_hidden: bool) -> BrokerOrder:
        name = intent.client_order_id
        if name in self.book:
            self.repeated.append(name)
            return self.book[name].order
        self._on_arrival(name)
        now = self.clock.now()
        order = BrokerOrder(
            client_order_id=name,
            broker_order_id=f"b{len(self.book)}",
            status=OrderStatus.ACKED,
            quantity_shares=intent.quantity_shares,
            filled_shares=0,
            symbol=intent.symbol,
            side=intent.side,
            updated_at=now,
        )
        self.book[name] = Arrival(intent, order, now + HIDDEN if is_hidden else now)
        return order

    def _put(self, client_order_id: str, **changes: object) -> BrokerOrder:
        arrival = self.book[client_order_id]
        arrival.order = replace(arrival.order, updated_at=self.clock.now(), **changes)
        return arrival.order
