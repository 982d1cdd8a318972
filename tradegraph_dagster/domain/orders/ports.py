"""What the order stage needs from outside: a broker and the ledger's books.

Every method of a book is one transaction, and writes its audit entry in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderIntent,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.risk.schema import RiskDecision


class Broker(Protocol):
    """Takes orders and says what became of them."""

    name: str

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Send one order; a client id that the broker knows returns the order it already has.

        Raises:
            OrderRefused: For good; record it and go on.
            BrokerUnavailable: Nothing was sent.
            OrderStateUnknown: It may have arrived; never resend, ask `order`.
            TradingHalted: The kill switch is engaged or unreadable; nothing was sent.
        """
        ...

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """What the broker knows of an order; None if it never saw it."""
        ...

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        """Fills and bookings of a closed session; asking again gives the same answer."""
        ...

    def statement(self, session: date) -> BrokerStatement:
        """Positions and cash after a closed session."""
        ...


class DecisionBook(Protocol):
    """Persisted risk decisions of one market."""

    def record_decision(
        self, decision: RiskDecision, intents: Sequence[OrderIntent]
    ) -> RiskDecision:
        """Store a decision with its intents, in one transaction, before anything is sent.

        A decision whose id is already stored is returned as stored; the new one is dropped.
        """
        ...

    def decision(self, decision_id: str) -> RiskDecision | None:
        """A stored decision."""
        ...


class OrderBook(Protocol):
    """Orders of one market and their state."""

    def orders(self, session: date) -> Sequence[OrderRecord]:
        """Orders of a session, by client order id."""
        ...

    def advance(
        self,
        client_order_id: str,
        expected: OrderStatus,
        status: OrderStatus,
        *,
        broker_order_id: str = "",
        reason: str = "",
    ) -> bool:
        """Compare and set: move to `status` only from `expected`; False if it stood elsewhere."""
        ...


class FillBook(Protocol):
    """Fills and bookings of one market, append-only; positions and cash are folds over them."""

    def record_executions(self, fills: Sequence[Fill], bookings: Sequence[Booking]) -> int:
        """Store what is new, update the orders' filled quantities, return how many were new.

        Raises:
            InvariantBroken: A known execution id comes with other content.
        """
        ...

    def fills(self, through: date) -> Sequence[Fill]:
        """Fills of sessions up to `through`, in order of booking."""
        ...

    def bookings(self, through: date) -> Sequence[Booking]:
        """Bookings of sessions up to `through`, in order of booking."""
        ...


class KillSwitch(Protocol):
    """The persisted switch; unreachable counts as engaged."""

    def engaged(self) -> str | None:
        """The reason while engaged, None while trading may go on.

        Raises:
            StoreUnavailable: The switch cannot be read; treat as engaged.
        """
        ...

    def engage(self, *, reason: str, actor: str) -> None:
        """Stop trading; idempotent."""
        ...

    def reset(self, *, reason: str, actor: str) -> None:
        """Allow trading again.

        Raises:
            TradingHalted: It takes two different people: the first call is kept as a request, and
                the error says who may confirm it.
        """
        ...


class ReconciliationBook(Protocol):
    """Which sessions of one market are closed, and with how many breaks."""

    def record_reconciliation(self, session: date, *, breaks: int, fingerprint: str) -> None:
        """Close a session's books, or say that they do not agree; repeating it changes nothing."""
        ...

    def latest(self) -> tuple[date, int] | None:
        """Newest session that was compared, and its number of breaks."""
        ...


@dataclass(frozen=True)
class TradingBooks:
    """The ledger of one market, one port a concern."""

    decisions: DecisionBook
    orders: OrderBook
    executions: FillBook
    kill_switch: KillSwitch
    reconciliations: ReconciliationBook
