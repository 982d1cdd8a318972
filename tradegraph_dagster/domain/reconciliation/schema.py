"""Tables and values of the reconciliation stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.orders.schema import (
    Book,
    Booking,
    BrokerOrder,
    BrokerStatement,
    Fill,
    OrderRecord,
)

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
    doc="Where the ledger and the broker differ; empty when reconciled.",
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
    - orphan_order: the broker worked an order that we never sent or do not know, or that one side
      says was refused although shares of it were traded.
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


@dataclass(frozen=True, slots=True)
class Break:
    """One difference; `expected` is the ledger's word, `found` the broker's."""

    kind: BreakKind
    symbol: str
    reference: str
    expected: str
    found: str


@dataclass(frozen=True)
class LedgerView:
    """What the ledger says of a session.

    Attributes:
        book: Positions and cash after it.
        orders: Its orders.
        fills: Its fills only.
        bookings: Its bookings only.
    """

    book: Book
    orders: Sequence[OrderRecord]
    fills: Sequence[Fill]
    bookings: Sequence[Booking]


@dataclass(frozen=True)
class BrokerView:
    """What the broker says of the same session.

    Attributes:
        statement: Positions and cash after it.
        orders: Its answer for each of our orders; None where it knows none.
        fills: Its fills only.
        bookings: Its bookings only.
    """

    statement: BrokerStatement
    orders: Mapping[str, BrokerOrder | None]
    fills: Sequence[Fill]
    bookings: Sequence[Booking]
