"""Tables and values of the reconciliation stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.orders.schema import (
    Book,
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderEvent,
    OrderRecord,
)

# Kind of the bookings by which the ledger adopts the broker's word.
ADJUSTMENT = "adjustment"

POSITIONS = FrameSchema(
    name="positions",
    doc="What is held after the session's close.",
    columns={
        "session": Column(pl.Date, "trading date"),
        "symbol": Column(pl.String, "exchange code"),
        "quantity_shares": Column(pl.Int64, "held", "shares"),
        "sellable_shares": Column(pl.Int64, "sellable in the next session", "shares"),
        "average_cost": Column(pl.Float64, "fees not included", "quote currency a share"),
        "last_price": Column(pl.Float64, "newest raw close", "quote currency a share"),
        "market_value": Column(pl.Float64, "quantity times last price", "quote currency"),
        "realised_pnl": Column(pl.Float64, "to date, before fees", "quote currency"),
    },
)

BREAKS = FrameSchema(
    name="breaks",
    doc="Where the ledger and the broker differed, until a person has looked; empty when clean.",
    key=("session", "kind", "symbol", "reference"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "kind": Column(
            pl.String,
            "missing_fill, orphan_order, orphan_position, qty_mismatch, cash_mismatch, "
            "corp_action_suspect or stale_order",
        ),
        "symbol": Column(pl.String, "exchange code; empty for cash"),
        "reference": Column(pl.String, "order, execution or booking id; empty otherwise"),
        "expected": Column(pl.String, "what the ledger says"),
        "found": Column(pl.String, "what the broker says"),
    },
)


class BreakKind(StrEnum):
    """How the ledger and the broker can differ.

    - missing_fill: an execution that only one side has, or that differs.
    - orphan_order: the broker worked an order that we never sent or do not know, or has our id with
      another symbol or side, or one side says it was refused although shares of it were traded.
    - stale_order: an order that is still open after the close, on either side.
    - orphan_position: the broker holds what the ledger does not.
    - qty_mismatch: both know the position, the shares differ; with an order as reference, more of
      it was traded than was ordered, or the broker has it with another size.
    - corp_action_suspect: they differ by the ratio of a recent corporate action, or one side
      lacks its booking.
    - cash_mismatch: cash differs, or one side lacks a deposit.
    """

    MISSING_FILL = "missing_fill"
    ORPHAN_ORDER = "orphan_order"
    STALE_ORDER = "stale_order"
    ORPHAN_POSITION = "orphan_position"
    QTY_MISMATCH = "qty_mismatch"
    CORP_ACTION_SUSPECT = "corp_action_suspect"
    CASH_MISMATCH = "cash_mismatch"


BreakKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Break:
    """One difference; `expected` is the ledger's word, `found` the broker's."""

    kind: BreakKind
    symbol: str
    reference: str
    expected: str
    found: str

    @property
    def key(self) -> BreakKey:
        """What it is about, whatever the two sides say of it."""
        return self.kind.value, self.symbol, self.reference


@dataclass(frozen=True)
class LedgerView:
    """What the ledger says of a session.

    Attributes:
        book: Positions and cash after it.
        orders: Its orders, and those of other sessions that may still fill on either side.
        fills: Its fills only.
        bookings: Its bookings only.
        adjusted: Id of each adjustment so far, of any session -> whether it moved anything.
    """

    book: Book
    orders: Sequence[OrderRecord]
    fills: Sequence[Fill]
    bookings: Sequence[Booking]
    adjusted: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class BrokerView:
    """What the broker says of the same session.

    Attributes:
        statement: Positions, cash and open orders after it.
        orders: Its answer for each of the ledger's orders; None where it knows none.
        fills: Its fills only.
        bookings: Its bookings only.
    """

    statement: BrokerStatement
    orders: Mapping[str, BrokerOrder | None]
    fills: Sequence[Fill]
    bookings: Sequence[Booking]


@dataclass(frozen=True)
class Adoption:
    """Facts of the broker that the ledger lacks.

    Attributes:
        fills: Executions it has not booked.
        bookings: Dividends, bonus shares, splits and deposits it has not booked.
        events: What orders that may still change have become.
        breaks: The same in words, for a person; facts that are adopted block nothing.
    """

    fills: tuple[Fill, ...]
    bookings: tuple[Booking, ...]
    events: tuple[OrderEvent, ...]
    breaks: tuple[Break, ...]

    @property
    def is_empty(self) -> bool:
        """The ledger knows all that the broker knows."""
        return not (self.fills or self.bookings or self.events)
