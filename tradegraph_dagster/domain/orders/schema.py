"""Tables and values of the order stage. Quantities are whole shares; money is Decimal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import polars as pl

from tradegraph_dagster.domain.core.frames import INSTANT, Column, FrameSchema
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Side

ORDERS = FrameSchema(
    name="orders",
    doc="Orders of a session as they were submitted.",
    key=("session", "client_order_id"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "client_order_id": Column(pl.String, "our identity of the order"),
        "decision_id": Column(pl.String, "decision it comes from"),
        "symbol": Column(pl.String, "exchange code"),
        "side": Column(pl.String, "buy or sell"),
        "quantity_shares": Column(pl.Int64, "ordered", "shares"),
        "status": Column(
            pl.String, "outcome of the submission: acked, rejected, denied or unknown"
        ),
        "reason": Column(pl.String, "why it was refused; empty otherwise"),
    },
)

FILLS = FrameSchema(
    name="fills",
    doc="Executions of a session.",
    key=("session", "execution_id"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "execution_id": Column(pl.String, "the broker's identity of the fill"),
        "client_order_id": Column(pl.String, "order it belongs to"),
        "symbol": Column(pl.String, "exchange code"),
        "side": Column(pl.String, "buy or sell"),
        "quantity_shares": Column(pl.Int64, "filled", "shares"),
        "price": Column(pl.Float64, "execution price", "quote currency a share"),
        "fee": Column(pl.Float64, "all fees of the fill", "quote currency"),
        "filled_at": Column(INSTANT, "when"),
    },
)


class OrderStatus(StrEnum):
    """States of the order machine; see `order_machine`."""

    INTENT = "intent"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    ACKED = "acked"
    PARTIAL = "partial"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"
    DENIED = "denied"

    @property
    def is_terminal(self) -> bool:
        """No further change of status is expected."""
        return self in _TERMINAL


_TERMINAL = frozenset({"filled", "rejected", "canceled", "expired", "denied"})


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """An order we mean to send, good for its session only.

    Attributes:
        client_order_id: Identity at the broker, from the persisted decision.
        session: Session it is meant for.
        symbol: Exchange code.
        quantity_shares: Positive.
        limit_price: Worst price it may fill at; None for a market order.
    """

    client_order_id: str
    decision_id: str
    market: str
    session: date
    symbol: str
    side: Side
    quantity_shares: int
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An intent and what became of it.

    Attributes:
        intent: As stored with its decision.
        status: What the events say.
        filled_shares: Sum of the fills in force: a fact of its own, whatever the status.
        broker_order_id: The broker's name for it, once known.
        reason: Why it ended or waits.
        sent_at: When the newest call to the broker began; None while none did.
        misses: How often in a row the broker said it had never seen the order since then.
        missed_at: When it said so last.
        updated_at: The broker's own time of the change that moved it last; None where unknown.
        source: Who said so; None while no event moved it.
    """

    intent: OrderIntent
    status: OrderStatus
    filled_shares: int = 0
    broker_order_id: str = ""
    reason: str = ""
    sent_at: datetime | None = None
    misses: int = 0
    missed_at: datetime | None = None
    updated_at: datetime | None = None
    source: EventSource | None = None


class EventSource(StrEnum):
    """Who said what became of an order; a later member wins a tie."""

    SUBMISSION = "submission"
    STREAM = "stream"
    RECOVERY = "recovery"
    RECONCILIATION = "reconciliation"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """Something that was said of an order; stored whether or not the machine allows it.

    Attributes:
        client_order_id: The order.
        status: The status it would have.
        source: Who says so.
        broker_order_id: The broker's name for it; empty where unknown.
        filled_shares: Cumulated, as the broker counts; None where it did not say.
        updated_at: The broker's own time of the change; None where it did not say.
        reason: In words or the broker's code.
        raw: The answer as it came, for evidence; never with a secret in it.
    """

    client_order_id: str
    status: OrderStatus
    source: EventSource
    broker_order_id: str = ""
    filled_shares: int | None = None
    updated_at: datetime | None = None
    reason: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the ledger keeps it; `refusal` is empty where the machine allowed it."""

    event: OrderEvent
    recorded_at: datetime
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution, identified by broker and execution id.

    `busts` names the execution id that this one takes back: a bust is a record of its own with the
    same order, symbol, side, shares, price and fee as what it undoes, and nothing is ever deleted.
    """

    broker: str
    execution_id: str
    client_order_id: str
    market: str
    session: date
    symbol: str
    side: Side
    quantity_shares: int
    price: Decimal
    fee: Decimal
    filled_at: datetime
    busts: str = ""


class IncidentKind(StrEnum):
    """What went wrong; each stays open until a person acknowledges it.

    - late_fill: an order filled after it was canceled or expired; it is booked.
    - fill_after_rejection: an order filled that was rejected; it is booked.
    - overfill: more was filled than ordered; it is booked.
    - fill_conflict: a known execution id came with other content; kept aside.
    - unknown_bust: a bust names an execution that is not known.
    - odd_execution: a name of it does not fit and was made to, or it was kept aside.
    - order_mismatch: the broker has our id with another symbol, side, size or price.
    - order_lost: the broker acknowledged an order and now says it never saw it.
    - orphan_order: the broker has an order of ours that the ledger lacks.
    - break_found: reconciliation found a difference.
    - book_changed: an order was not sent, as the book is not what its decision saw any more.
    """

    LATE_FILL = "late_fill"
    FILL_AFTER_REJECTION = "fill_after_rejection"
    OVERFILL = "overfill"
    FILL_CONFLICT = "fill_conflict"
    UNKNOWN_BUST = "unknown_bust"
    ODD_EXECUTION = "odd_execution"
    ORDER_MISMATCH = "order_mismatch"
    ORDER_LOST = "order_lost"
    ORPHAN_ORDER = "orphan_order"
    BREAK_FOUND = "break_found"
    BOOK_CHANGED = "book_changed"


@dataclass(frozen=True, slots=True)
class Incident:
    """Something a person must look at.

    Attributes:
        incident_id: Of market, kind and reference: while it stands, raising it again is nothing.
        kind: What it is.
        session: When.
        symbol: Whose new orders it blocks; empty for all of the market.
        reference: Order, execution or break it is about.
        expected: What should be.
        found: What is.
        blocks: Whether new risk in the symbol is refused until it is acknowledged.
    """

    incident_id: str
    kind: IncidentKind
    session: date
    symbol: str
    reference: str
    expected: str
    found: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send orders of a market for a while.

    Attributes:
        name: What it is the right to.
        holder: Who has it.
        token: Rises with every new holder: an act that carries an older one is refused.
        expires_at: When it lapses unless renewed.
    """

    name: str
    holder: str
    token: int
    expires_at: datetime


class TradingMode(StrEnum):
    """How far orders go: nowhere, to a paper account, or to a live one."""

    DRY_RUN = "dry_run"
    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Venue:
    """Where orders would really go, as the broker's own connection says it.

    Attributes:
        host: Effective host name; empty for a broker in this process.
        account: Account number; empty for a broker in this process.
        is_live: Real money.
    """

    host: str = ""
    account: str = ""
    is_live: bool = False


class SendVerdict(StrEnum):
    """Whether a call to the broker may begin."""

    GO = "go"
    HALTED = "halted"
    FENCED = "fenced"
    UNARMED = "unarmed"
    BLOCKED = "blocked"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class SendPermit:
    """What the ledger says right before a call: the verdict, and in words why not."""

    verdict: SendVerdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Commitments:
    """What open orders have bound at an instant, read in the transaction that adds to it.

    Attributes:
        working: Orders that may still fill, of all strategies, by client order id.
        reserved_cash: Client order id -> cash kept for the unfilled rest of a buy.
        sent_at: Instants of the newest calls to the broker, ascending, of the last minute.
        sent_in_session: Orders of the session that reached the broker or still may, by symbol.
        incidents: Open incidents.
    """

    working: tuple[OrderRecord, ...] = ()
    reserved_cash: Mapping[str, Decimal] = field(default_factory=dict)
    sent_at: tuple[datetime, ...] = ()
    sent_in_session: Mapping[str, int] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class BookedExecutions:
    """What storing executions came to.

    Attributes:
        new: How many were stored.
        repeated: How many were known with the same content, and left alone.
        incidents: What they raised: conflicts kept aside, late fills, overfills.
    """

    new: int = 0
    repeated: int = 0
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Booking:
    """A change of cash or shares that is no trade: opening deposit, dividend, bonus, split."""

    broker: str
    booking_id: str
    market: str
    session: date
    kind: str
    symbol: str = ""
    shares: int = 0
    cash: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """What the broker says of an order; `symbol` is empty and `side` None where it did not say."""

    client_order_id: str
    broker_order_id: str
    status: OrderStatus
    quantity_shares: int
    filled_shares: int
    reason: str = ""
    symbol: str = ""
    side: Side | None = None
    limit_price: Decimal | None = None
    updated_at: datetime | None = None
    raw: str = ""


@dataclass(frozen=True)
class BrokerStatement:
    """Positions, cash and orders that may still fill, at the broker after a session."""

    session: date
    positions: dict[str, int]
    cash: Decimal
    open_orders: tuple[BrokerOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """A holding folded from fills and bookings."""

    symbol: str
    quantity_shares: int
    sellable_shares: int
    average_cost: Decimal
    realised_pnl: Decimal


@dataclass(frozen=True)
class Book:
    """All positions and the cash of one market after a session."""

    session: date | None
    positions: dict[str, Position]
    cash: Decimal
    fees: Decimal
