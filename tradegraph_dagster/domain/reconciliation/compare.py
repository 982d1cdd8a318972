"""Compare the ledger's books with the broker's, and name every difference.

Order of work: orders, executions, bookings, positions, cash. Equal books give no break.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.money import CENT, to_decimal
from tradegraph_dagster.domain.orders.schema import Book, Booking, BrokerStatement, Fill
from tradegraph_dagster.domain.reconciliation.order_breaks import describe_fill, order_breaks
from tradegraph_dagster.domain.reconciliation.schema import (
    ADJUSTMENT,
    BREAKS,
    Break,
    BreakKind,
    BrokerView,
    LedgerView,
)

CASH_TOLERANCE = CENT

_SHOWN = 5

Ratios = Mapping[str, Sequence[Decimal]]


def views_to_breaks(ledger: LedgerView, broker: BrokerView, *, ratios: Ratios) -> list[Break]:
    """Every difference between the two, after the session's close.

    Args:
        ledger: Our side.
        broker: Its side, of the same session.
        ratios: Symbol -> shares after one before, for each recent corporate action.

    Returns:
        One a key, sorted; nothing when reconciled. Shares are compared exactly, cash to a cent.
    """
    found = [
        *order_breaks(ledger, broker),
        *_fill_breaks(ledger.fills, broker.fills),
        *_booking_breaks(ledger.bookings, broker.bookings),
        *holding_breaks(ledger.book, broker.statement, ratios=ratios),
    ]
    # Two of one key, such as two brokers' execution "1", become one.
    return sorted({one.key: one for one in reversed(found)}.values(), key=lambda one: one.key)


def holding_breaks(book: Book, statement: BrokerStatement, *, ratios: Ratios) -> list[Break]:
    """Where shares or cash differ, whatever the cause."""
    return [
        *_position_breaks(book, statement, ratios),
        *_cash_breaks(book.cash, statement.cash),
    ]


def breaks_to_frame(breaks: Sequence[Break], session: date) -> pl.DataFrame:
    """BREAKS rows of a session."""
    if not breaks:
        return BREAKS.empty()
    rows = [{**asdict(found), "kind": found.kind.value, "session": session} for found in breaks]
    return conform_frame(pl.DataFrame(rows), BREAKS)


def breaks_to_text(breaks: Sequence[Break]) -> str:
    """The first few breaks in words, for a message."""
    words = [
        " ".join(filter(None, (found.kind.value, found.symbol, found.reference)))
        for found in breaks[:_SHOWN]
    ]
    more = len(breaks) - len(words)
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
            describe_fill(mine.get(identity)),
            describe_fill(other.get(identity)),
        )
        for identity in mine.keys() | other.keys()
        if mine.get(identity) != other.get(identity)
    ]


def _booking_breaks(ours: Sequence[Booking], theirs: Sequence[Booking]) -> list[Break]:
    """Bookings that one side lacks, or that differ."""
    # An adjustment is our own word: no broker ever sends it.
    sent = [booking for booking in ours if booking.kind != ADJUSTMENT]
    mine = {(booking.broker, booking.booking_id): booking for booking in sent}
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


def _position_breaks(book: Book, statement: BrokerStatement, ratios: Ratios) -> list[Break]:
    """Holdings that differ, however little."""
    ours = {symbol: held.quantity_shares for symbol, held in book.positions.items()}
    theirs = statement.positions
    return [
        Break(
            _position_kind(ours.get(symbol, 0), theirs.get(symbol, 0), ratios.get(symbol, ())),
            symbol,
            "",
            f"{ours.get(symbol, 0)} shares",
            f"{theirs.get(symbol, 0)} shares",
        )
        for symbol in sorted(ours.keys() | theirs.keys())
        if ours.get(symbol, 0) != theirs.get(symbol, 0)
    ]


def _cash_breaks(ours: Decimal, theirs: Decimal) -> list[Break]:
    """Cash that differs by more than a cent."""
    if abs(ours - theirs) <= CASH_TOLERANCE:
        return []
    return [Break(BreakKind.CASH_MISMATCH, "", "", str(ours), str(theirs))]


def _position_kind(ours: int, theirs: int, ratios: Sequence[Decimal]) -> BreakKind:
    # Fractions of a share are dropped or paid out, so one share of slack.
    if any(
        abs(ours * ratio - theirs) < 1 or abs(theirs * ratio - ours) < 1
        for ratio in ratios
        if ours and theirs
    ):
        return BreakKind.CORP_ACTION_SUSPECT
    return BreakKind.QTY_MISMATCH if ours else BreakKind.ORPHAN_POSITION


def _describe_booking(booking: Booking | None) -> str:
    if booking is None:
        return "no such booking"
    return f"{booking.kind} {booking.shares} shares, cash {booking.cash}"
