"""Compare the ledger's books with the broker's, and name every difference.

Order of work: executions, orders, bookings, positions, cash. Equal books give no break.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.money import CENT, to_decimal
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    Fill,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.reconciliation.schema import (
    BREAKS,
    Break,
    BreakKind,
    BrokerView,
    LedgerView,
)

CASH_TOLERANCE = CENT

_NEVER_SENT = frozenset({OrderStatus.INTENT, OrderStatus.DENIED})
_MAY_BE_UNKNOWN = _NEVER_SENT | {OrderStatus.REJECTED}
_REFUSED = frozenset({OrderStatus.DENIED, OrderStatus.REJECTED})

_SHOWN = 5

Ratios = Mapping[str, Sequence[Decimal]]


def books_to_breaks(ledger: LedgerView, broker: BrokerView, *, ratios: Ratios) -> pl.DataFrame:
    """Every difference between the two, after the session's close.

    Args:
        ledger: Our side.
        broker: Its side, of the same session.
        ratios: Symbol -> shares after one before, for each recent corporate action.

    Returns:
        BREAKS rows of the statement's session; none when reconciled. Cash may differ by a cent.
    """
    breaks = [
        *_fill_breaks(ledger.fills, broker.fills),
        *_order_breaks(ledger, broker),
        *_booking_breaks(ledger.bookings, broker.bookings),
        *_position_breaks(ledger, broker, ratios),
        *_cash_breaks(ledger.book.cash, broker.statement.cash),
    ]
    return _to_frame(breaks, broker.statement.session)


def breaks_to_text(breaks: pl.DataFrame) -> str:
    """The first few BREAKS rows in words, for a message."""
    columns = ("kind", "symbol", "reference")
    rows = breaks.select(columns).head(_SHOWN).iter_rows()
    words = [" ".join(filter(None, row)) for row in rows]
    more = breaks.height - len(words)
    return "; ".join([*words, f"and {more} more"] if more > 0 else words)


def actions_to_ratios(actions: pl.DataFrame) -> dict[str, tuple[Decimal, ...]]:
    """The factors by which CORPORATE_ACTIONS rows multiply a holding, by symbol."""
    ratios: dict[str, set[Decimal]] = {}
    for row in actions.iter_rows(named=True):
        split, bonus, rights = (
            to_decimal(row[name]) for name in ("split_ratio", "bonus_ratio", "rights_ratio")
        )
        # Rights may have been taken up or not.
        found = {split * (1 + bonus), split * (1 + bonus + rights)} - {Decimal(1)}
        ratios.setdefault(row["symbol"], set()).update(found)
    return {symbol: tuple(sorted(found)) for symbol, found in ratios.items() if found}


def _fill_breaks(ours: Sequence[Fill], theirs: Sequence[Fill]) -> list[Break]:
    """Executions that one side lacks, or that differ."""
    mine = {(fill.broker, fill.execution_id): fill for fill in ours}
    other = {(fill.broker, fill.execution_id): fill for fill in theirs}
    return [
        Break(
            BreakKind.MISSING_FILL,
            (mine.get(identity) or other[identity]).symbol,
            identity[1],
            _describe_fill(mine.get(identity)),
            _describe_fill(other.get(identity)),
        )
        for identity in mine.keys() | other.keys()
        if mine.get(identity) != other.get(identity)
    ]


def _order_breaks(ledger: LedgerView, broker: BrokerView) -> list[Break]:
    """Orders nobody sent or everybody refused, still open, filled too far or without executions.

    Both sides may agree on such fills; an order that must not have traded is a break all the same.
    """
    booked, executed = _count_shares(ledger.fills), _count_shares(broker.fills)
    breaks = _orphans_among_fills(ledger, broker)
    for record in ledger.orders:
        name = record.intent.client_order_id
        theirs = broker.orders.get(name)
        traded = max(booked[name], executed[name], record.filled_shares)
        kinds = [_order_kind(record, theirs), _traded_kind(record, theirs, traded)]
        if theirs is not None and theirs.filled_shares != executed[name]:
            kinds.append(BreakKind.MISSING_FILL)
        found = [kind for kind in dict.fromkeys(kinds) if kind is not None]
        breaks.extend(_order_break(kind, record, theirs, traded) for kind in found)
    return breaks


def _count_shares(fills: Sequence[Fill]) -> Counter[str]:
    """Client order id -> shares traded."""
    shares: Counter[str] = Counter()
    for fill in fills:
        shares[fill.client_order_id] += fill.quantity_shares
    return shares


def _booking_breaks(ours: Sequence[Booking], theirs: Sequence[Booking]) -> list[Break]:
    """Bookings that one side lacks, or that differ."""
    mine = {(booking.broker, booking.booking_id): booking for booking in ours}
    other = {(booking.broker, booking.booking_id): booking for booking in theirs}
    breaks = []
    for identity in mine.keys() | other.keys():
        left, right = mine.get(identity), other.get(identity)
        if left == right:
            continue
        symbol = (left or other[identity]).symbol
        kind = BreakKind.CORP_ACTION_SUSPECT if symbol else BreakKind.CASH_MISMATCH
        breaks.append(
            Break(kind, symbol, identity[1], _describe_booking(left), _describe_booking(right))
        )
    return breaks


def _position_breaks(ledger: LedgerView, broker: BrokerView, ratios: Ratios) -> list[Break]:
    """Holdings that differ, however little."""
    ours = {symbol: held.quantity_shares for symbol, held in ledger.book.positions.items()}
    theirs = broker.statement.positions
    return [
        Break(
            _position_kind(ours.get(symbol, 0), theirs.get(symbol, 0), ratios.get(symbol, ())),
            symbol,
            "",
            f"{ours.get(symbol, 0)} shares",
            f"{theirs.get(symbol, 0)} shares",
        )
        for symbol in ours.keys() | theirs.keys()
        if ours.get(symbol, 0) != theirs.get(symbol, 0)
    ]


def _cash_breaks(ours: Decimal, theirs: Decimal) -> list[Break]:
    """Cash that differs by more than a cent."""
    if abs(ours - theirs) <= CASH_TOLERANCE:
        return []
    return [Break(BreakKind.CASH_MISMATCH, "", "", str(ours), str(theirs))]


def _orphans_among_fills(ledger: LedgerView, broker: BrokerView) -> list[Break]:
    known = {record.intent.client_order_id for record in ledger.orders}
    strangers = {
        fill.client_order_id: fill
        for fill in (*ledger.fills, *broker.fills)
        if fill.client_order_id not in known
    }
    return [
        Break(BreakKind.ORPHAN_ORDER, fill.symbol, order, "no such order", _describe_fill(fill))
        for order, fill in strangers.items()
    ]


def _order_kind(record: OrderRecord, theirs: BrokerOrder | None) -> BreakKind | None:
    if theirs is not None and record.status in _NEVER_SENT:
        return BreakKind.ORPHAN_ORDER
    if theirs is None and record.status not in _MAY_BE_UNKNOWN:
        return BreakKind.STALE_ORDER
    done_here = record.status.is_terminal or record.filled_shares >= record.intent.quantity_shares
    done_there = (
        theirs is None
        or theirs.status.is_terminal
        or theirs.filled_shares >= theirs.quantity_shares
    )
    return None if done_here and done_there else BreakKind.STALE_ORDER


def _traded_kind(record: OrderRecord, theirs: BrokerOrder | None, traded: int) -> BreakKind | None:
    """What is wrong with the shares of an order, whether or not both sides agree on them."""
    ordered = record.intent.quantity_shares
    shares = traded if theirs is None else max(traded, theirs.filled_shares)
    statuses = {record.status} if theirs is None else {record.status, theirs.status}
    if shares and statuses & _REFUSED:
        return BreakKind.ORPHAN_ORDER
    if shares > ordered or (theirs is not None and theirs.quantity_shares != ordered):
        return BreakKind.QTY_MISMATCH
    return None


def _order_break(
    kind: BreakKind, record: OrderRecord, theirs: BrokerOrder | None, traded: int
) -> Break:
    intent = record.intent
    expected = (
        f"{record.status}, filled {record.filled_shares} of {intent.quantity_shares}, "
        f"executions of {traded}"
    )
    found = (
        "no such order"
        if theirs is None
        else f"{theirs.status}, filled {theirs.filled_shares} of {theirs.quantity_shares}"
    )
    return Break(kind, intent.symbol, intent.client_order_id, expected, found)


def _position_kind(ours: int, theirs: int, ratios: Sequence[Decimal]) -> BreakKind:
    # Fractions of a share are dropped or paid out, so one share of slack.
    if any(
        abs(ours * ratio - theirs) < 1 or abs(theirs * ratio - ours) < 1
        for ratio in ratios
        if ours and theirs
    ):
        return BreakKind.CORP_ACTION_SUSPECT
    return BreakKind.QTY_MISMATCH if ours else BreakKind.ORPHAN_POSITION


def _describe_fill(fill: Fill | None) -> str:
    if fill is None:
        return "no such execution"
    return (
        f"{fill.side} {fill.quantity_shares} at {fill.price} fee {fill.fee} "
        f"for {fill.client_order_id}"
    )


def _describe_booking(booking: Booking | None) -> str:
    if booking is None:
        return "no such booking"
    return f"{booking.kind} {booking.shares} shares, cash {booking.cash}"


def _to_frame(breaks: Sequence[Break], session: date) -> pl.DataFrame:
    if not breaks:
        return BREAKS.empty()
    rows = [{**asdict(found), "kind": found.kind.value, "session": session} for found in breaks]
    # Two rows of one key, such as two brokers' execution "1", become one.
    frame = pl.DataFrame(rows).sort(list(BREAKS.columns))
    return conform_frame(frame.unique(list(BREAKS.key), keep="first", maintain_order=True), BREAKS)
