"""What the order stage needs from outside: a broker and the ledger's books.

Every method of a book is one transaction, and writes its audit entry in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.order_machine import Transition
from tradegraph_dagster.domain.orders.schema import (
    BookedExecutions,
    Booking,
    BrokerOrder,
    BrokerStatement,
    Commitments,
    Fill,
    Incident,
    Lease,
    OrderEvent,
    OrderIntent,
    OrderRecord,
    OrderStatus,
    SendPermit,
    StoredEvent,
    Venue,
)
from tradegraph_dagster.domain.risk.order_gate import GatedDecision, GateResult
from tradegraph_dagster.domain.risk.schema import RiskDecision


class Broker(Protocol):
    """Takes orders and says what became of them. One call is one request: nothing is retried."""

    name: str

    @property
    def venue(self) -> Venue:
        """Where orders really go, as the connection says it and not the configuration.

        Raises:
            BrokerUnavailable: The account cannot be asked.
        """
        ...

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
        """What the broker knows of an order; None only where it said it never saw it.

        Raises:
            BrokerUnavailable: It cannot be asked: nothing is known, which is not None.
        """
        ...

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        """Ask for the rest of an order to be canceled; it may still fill. None as for `order`.

        An order that has ended is returned as it is. Cancels always pass: no gate holds them back.

        Raises:
            BrokerUnavailable: It cannot be asked; ask again.
        """
        ...

    def executions(self, session: date) -> tuple[Sequence[Fill], Sequence[Booking]]:
        """Fills and bookings of a closed session; asking again gives the same answer or more."""
        ...

    def statement(self, session: date) -> BrokerStatement:
        """Positions, cash and open orders after a closed session and before the next opens.

        Raises:
            BrokerUnavailable: A part could not be read: unknown, never flat.
        """
        ...


def _shut() -> str:
    """A door that nobody opened."""
    return "the live lock was not asked"


@dataclass(frozen=True)
class BrokerSetup:
    """What every broker is opened with, besides its own options.

    Attributes:
        path: A file for state of its own; its folder exists.
        workspace: The market's rules and lake.
        kill_switch: To be read right before each call that sends an order.
        clock: For whether a session is over.
        contact: Why a live venue may not be asked anything now; empty where it may. To be called
            right before each request to one, but for those of a cancel, which always pass.
    """

    path: Path
    workspace: Workspace
    kill_switch: KillSwitch
    clock: Clock
    contact: Callable[[], str] = _shut


class DecisionBook(Protocol):
    """Persisted risk decisions of one market."""

    def record_decision(
        self, decision_id: str, decide: Callable[[Commitments], GatedDecision], *, session: date
    ) -> RiskDecision:
        """Decide and store in one transaction: decision, gate results, intents and reservations.

        `decide` is called with what open orders have bound and what `session` has sent, while no
        other writer can add to it.
        It must be pure and quick. Approved orders become INTENT with their reservation, denied
        ones DENIED with the codes of the gates as reason. A decision whose id is already stored is
        returned as stored and `decide` is not called.
        """
        ...

    def decision(self, decision_id: str) -> RiskDecision | None:
        """A stored decision."""
        ...

    def equities(self, through: date) -> Sequence[tuple[date, Decimal]]:
        """Session and equity of every decision of the market up to `through`, ascending.

        Whichever strategy took it: equity is the account's.
        """
        ...

    def gate_results(self, decision_id: str) -> Mapping[str, Sequence[GateResult]]:
        """Client order id -> every gate's word with its inputs, by gate number."""
        ...

    def commitments(self, session: date) -> Commitments:
        """What open orders have bound now."""
        ...


class OrderBook(Protocol):
    """Orders of one market and their state."""

    def orders(self, session: date) -> Sequence[OrderRecord]:
        """Orders of a session, by client order id."""
        ...

    def order(self, client_order_id: str) -> OrderRecord | None:
        """One order."""
        ...

    def begin_sending(
        self, client_order_id: str, expected: OrderStatus, *, lease: Lease, venue: Venue
    ) -> SendPermit:
        """The last look before a call, in one transaction that nothing can slip past.

        GO only while the order stands at `expected` (else MOVED), the lease is the newest and has
        not lapsed (else FENCED), the kill switch is off (else HALTED), for a live venue live
        trading is armed for this host and account (else UNARMED), and no incident is open that
        blocks its symbol or all (else BLOCKED). With GO an INTENT is SUBMITTING, and the instant of
        the call is kept. Whatever cannot be read is an error, never GO.

        Raises:
            StoreUnavailable: Nothing may be sent.
        """
        ...

    def apply(self, event: OrderEvent) -> Transition:
        """Store an event and move the order if the machine allows it.

        An event that is not allowed is stored with its refusal and changes nothing; one that says
        nothing new is not stored. An ended order gives its reservation back. A status of None from
        the broker (`misses`) is `record_miss`.

        Raises:
            InvariantBroken: No such order.
        """
        ...

    def record_miss(self, client_order_id: str) -> OrderRecord:
        """Keep that the broker says it never saw the order; returns the order with its misses."""
        ...


class OrderEventLog(Protocol):
    """What was said of orders, append-only."""

    def events(self, client_order_id: str) -> Sequence[StoredEvent]:
        """Everything that was said of an order, as it was recorded."""
        ...


class FillBook(Protocol):
    """Fills and bookings of one market, append-only; positions and cash are folds over them."""

    def record_executions(
        self, fills: Sequence[Fill], bookings: Sequence[Booking]
    ) -> BookedExecutions:
        """Store what is new, update the orders' filled shares, status and reservations.

        A fill is a fact in whatever state its order is: late fills, fills of rejected orders and
        overfills are booked and raise an incident. A known id with other content is kept aside as
        an incident and booked no second time. Nothing here stops the others from being booked. A
        new incident of the kind that must stop trading engages the kill switch with it.

        Raises:
            InvariantBroken: An execution is of another market.
        """
        ...

    def fills(self, through: date) -> Sequence[Fill]:
        """Fills of sessions up to `through`, in order of booking, busts among them."""
        ...

    def bookings(self, through: date) -> Sequence[Booking]:
        """Bookings of sessions up to `through`, in order of booking."""
        ...


class LeaseBook(Protocol):
    """Who may send; one holder at a time, fenced by a rising token.

    Leases age by one clock, that of the store: the clocks of those who ask may differ.
    """

    def acquire(self, name: str, holder: str, *, seconds: float) -> Lease | None:
        """A new lease, or None while somebody else holds one that has not lapsed."""
        ...

    def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
        """The lease with a later end; None where a newer token exists or it has lapsed."""
        ...

    def release(self, lease: Lease) -> None:
        """Give it back early; nothing happens where a newer token exists."""
        ...


class IncidentBook(Protocol):
    """What a person must look at."""

    def raise_incidents(self, incidents: Sequence[Incident]) -> int:
        """Store those that do not stand open already; returns how many were new."""
        ...

    def open_incidents(self) -> Sequence[Incident]:
        """Those that nobody has acknowledged, oldest first."""
        ...

    def acknowledge(
        self, incident_id: str, *, actor: str, reason: str, bookings: Sequence[Booking] = ()
    ) -> None:
        """Close one, with the bookings that adopt the broker's word, in one transaction.

        Raises:
            AccessDenied: The actor is no person, or the reason is empty.
            ConfigError: No such open incident.
        """
        ...


class Stopwatch(Protocol):
    """Time that only runs forward, and waiting in it."""

    def seconds(self) -> float:
        """Seconds since some fixed instant; it goes on while the process is stopped."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait."""
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

    def reset(self, *, reason: str, person: ProvenPerson) -> None:
        """Allow trading again.

        Raises:
            TradingHalted: It takes two different people: the first call is kept as a request, and
                the error says who may confirm it. Or the person may not, or the books do not agree.
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

    def compared(self) -> tuple[date, datetime] | None:
        """Newest session that was compared, and when it first came to what it comes to now."""
        ...


@dataclass(frozen=True)
class TradingBooks:
    """The ledger of one market, one port a concern."""

    decisions: DecisionBook
    orders: OrderBook
    events: OrderEventLog
    executions: FillBook
    leases: LeaseBook
    incidents: IncidentBook
    kill_switch: KillSwitch
    reconciliations: ReconciliationBook
