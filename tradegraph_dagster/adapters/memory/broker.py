"""A broker in memory whose fills are told to it: for tests, notebooks and simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from tradegraph_dagster.domain.core.errors import InvariantBroken, MissingSession, OrderRefused
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.last_look import require_trading
from tradegraph_dagster.domain.orders.ports import BrokerSetup
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderIntent,
    OrderStatus,
    Venue,
)

NAME = "memory"


class MemoryBroker:
    """A Broker of one market; what it knows ends with it.

    Args:
        setup: Rules, kill switch and clock; its file is not used.
        opening_cash: Deposit of the calendar's first session.
    """

    name = NAME

    def __init__(self, setup: BrokerSetup, opening_cash: Decimal = Decimal(1_000_000)) -> None:
        self._market = setup.workspace.market
        self._kill_switch = setup.kill_switch
        self._clock = setup.clock
        self._orders: dict[str, tuple[OrderIntent, BrokerOrder]] = {}
        self._fills: list[Fill] = []
        self._bookings: list[Booking] = []
        first = self._market.calendar.sessions[0]
        self.book(first, "deposit", cash=opening_cash)

    @property
    def venue(self) -> Venue:
        """This process."""
        return Venue()

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Accept an order for a session that is not over.

        Raises:
            OrderRefused: Another market, a session that is over or none, or no shares.
            TradingHalted: The kill switch is engaged or unreadable.
            InvariantBroken: The id is known with another content.
        """
        if intent.client_order_id in self._orders:
            known, order = self._orders[intent.client_order_id]
            if known != intent:
                raise InvariantBroken(
                    f"order {intent.client_order_id} is known as {known}, now comes as {intent}; "
                    "halt, two decisions share an id",
                    session=intent.session,
                    symbol=intent.symbol,
                )
            return order
        refusal = self._refusal(intent)
        if refusal:
            raise OrderRefused(
                refusal, table="orders", session=intent.session, symbol=intent.symbol
            )
        require_trading(self._kill_switch, intent)
        order = BrokerOrder(
            client_order_id=intent.client_order_id,
            broker_order_id=f"memory-{len(self._orders) + 1}",
            status=OrderStatus.ACKED,
            quantity_shares=intent.quantity_shares,
            filled_shares=0,
            symbol=intent.symbol,
            side=intent.side,
            limit_price=intent.limit_price,
            updated_at=self._clock.now(),
        )
        self._orders[intent.client_order_id] = (intent, order)
        return order

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """What became of an order; None if it was never accepted."""
        known = self._orders.get(client_order_id)
        return known[1] if known else None

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        """Cancel the rest of an order at once."""
        order = self.order(client_order_id)
        if order is None or order.status.is_terminal:
            return order
        return self.end(client_order_id, OrderStatus.CANCELED)

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        """Fills and bookings of a closed session.

        Raises:
            MissingSession: It has not closed, or is none.
        """
        self._require_closed(session)
        return (
            [fill for fill in self._fills if fill.session == session],
            [booking for booking in self._bookings if booking.session == session],
        )

    def statement(self, session: date) -> BrokerStatement:
        """What its executions up to a closed session add up to, and the orders open now.

        Raises:
            MissingSession: It has not closed, or is none.
        """
        self._require_closed(session)
        cash, held = ZERO, dict[str, int]()
        for booking in self._bookings:
            if booking.session <= session:
                cash += booking.cash
                held[booking.symbol] = held.get(booking.symbol, 0) + booking.shares
        for fill in self._fills:
            if fill.session <= session:
                sign = (1 if fill.side is Side.BUY else -1) * (-1 if fill.busts else 1)
                cash -= sign * fill.price * fill.quantity_shares
                cash += fill.fee if fill.busts else -fill.fee
                held[fill.symbol] = held.get(fill.symbol, 0) + sign * fill.quantity_shares
        orders = (order for _, order in self._orders.values() if not order.status.is_terminal)
        return BrokerStatement(
            session,
            {symbol: shares for symbol, shares in sorted(held.items()) if shares},
            cash,
            tuple(sorted(orders, key=lambda order: order.client_order_id)),
        )

    def fill(
        self,
        client_order_id: str,
        shares: int,
        price: Decimal,
        *,
        fee: Decimal = ZERO,
        filled_at: datetime | None = None,
    ) -> Fill:
        """Fill a part of an order, whatever became of it; more than was ordered too.

        Raises:
            InvariantBroken: It is not known, no shares, or a price worse than its limit.
        """
        intent, order = self._known(client_order_id)
        limit = intent.limit_price
        worse = limit is not None and (price > limit if intent.side is Side.BUY else price < limit)
        if shares <= 0 or price <= 0 or worse:
            raise InvariantBroken(
                f"expected a fill of {client_order_id} within its limit {limit}, found {shares} "
                f"shares at {price}"
            )
        fill = Fill(
            broker=NAME,
            execution_id=f"memory-{len(self._fills) + 1}",
            client_order_id=client_order_id,
            market=intent.market,
            session=intent.session,
            symbol=intent.symbol,
            side=intent.side,
            quantity_shares=shares,
            price=price,
            fee=fee,
            filled_at=filled_at or self._clock.now(),
        )
        self._fills.append(fill)
        filled = order.filled_shares + shares
        status = order.status
        if filled >= intent.quantity_shares:
            status = OrderStatus.FILLED
        elif not status.is_terminal:
            status = OrderStatus.PARTIAL
        self._put(replace(order, status=status, filled_shares=filled))
        return fill

    def bust(self, execution_id: str) -> Fill:
        """Take an execution back; its record stays and one more undoes it.

        Raises:
            InvariantBroken: It is not known.
        """
        known = [fill for fill in self._fills if fill.execution_id == execution_id]
        if not known:
            raise InvariantBroken(f"expected a known execution, found {execution_id}")
        undone = replace(known[0], execution_id=f"{execution_id}-bust", busts=execution_id)
        self._fills.append(undone)
        _, order = self._known(undone.client_order_id)
        self._put(replace(order, filled_shares=order.filled_shares - undone.quantity_shares))
        return undone

    def end(self, client_order_id: str, status: OrderStatus, reason: str = "") -> BrokerOrder:
        """End an order without filling the rest of it.

        Raises:
            InvariantBroken: It is not known, or that is no end.
        """
        _, order = self._known(client_order_id)
        if not status.is_terminal:
            raise InvariantBroken(f"expected the end of {client_order_id}, found {status}")
        ended = replace(order, status=status, reason=reason)
        self._put(ended)
        return ended

    def expire(self, session: date) -> None:
        """End what is still open of a session."""
        for intent, order in list(self._orders.values()):
            if intent.session == session and not order.status.is_terminal:
                self.end(intent.client_order_id, OrderStatus.EXPIRED, "the session is over")

    def book(
        self, session: date, kind: str, *, symbol: str = "", shares: int = 0, cash: Decimal = ZERO
    ) -> Booking:
        """Change cash or shares without a trade."""
        name = f"memory-{kind}-{len(self._bookings) + 1}"
        booking = Booking(NAME, name, self._market.name, session, kind, symbol, shares, cash)
        self._bookings.append(booking)
        return booking

    def _refusal(self, intent: OrderIntent) -> str:
        calendar = self._market.calendar
        if intent.market != self._market.name:
            return f"this account trades {self._market.name}, not {intent.market}"
        over = calendar.is_session(intent.session) and (
            self._clock.now() >= calendar.close_at(intent.session)
        )
        if over or not calendar.is_session(intent.session):
            return f"the session is closed or none of {calendar.name}"
        if intent.quantity_shares <= 0:
            return f"{intent.quantity_shares} shares are no legal {intent.side}"
        return ""

    def _require_closed(self, session: date) -> None:
        calendar = self._market.calendar
        if not calendar.is_session(session) or self._clock.now() < calendar.close_at(session):
            raise MissingSession(
                f"not closed yet, or none of {calendar.name}: ask after its close",
                table="fills",
                session=session,
            )

    def _known(self, client_order_id: str) -> tuple[OrderIntent, BrokerOrder]:
        if client_order_id not in self._orders:
            raise InvariantBroken(f"expected a known order, found {client_order_id}")
        return self._orders[client_order_id]

    def _put(self, order: BrokerOrder) -> None:
        intent, _ = self._known(order.client_order_id)
        changed = replace(order, updated_at=self._clock.now())
        self._orders[order.client_order_id] = (intent, changed)
