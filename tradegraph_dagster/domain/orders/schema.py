"""Tables and values of the order stage. Quantities are whole shares; money is Decimal."""

from __future__ import annotations

from dataclasses import dataclass
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
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"
    DENIED = "denied"

    @property
    def is_terminal(self) -> bool:
        """No further change of status is expected."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.REJECTED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.DENIED,
    }
)


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """An order we mean to send: a market order for the session's open or close auction."""

    client_order_id: str
    decision_id: str
    market: str
    session: date
    symbol: str
    side: Side
    quantity_shares: int


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An intent and what became of it."""

    intent: OrderIntent
    status: OrderStatus
    filled_shares: int = 0
    broker_order_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution, identified by broker and execution id."""

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
    """What the broker says of an order."""

    client_order_id: str
    broker_order_id: str
    status: OrderStatus
    quantity_shares: int
    filled_shares: int
    reason: str = ""


@dataclass(frozen=True)
class BrokerStatement:
    """Positions and cash at the broker after a session."""

    session: date
    positions: dict[str, int]
    cash: Decimal


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
