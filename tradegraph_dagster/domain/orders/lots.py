"""Fills and bookings -> open lots, first in first out: when held shares came, and for what.

buy          adds a lot at its price; while short it first closes the oldest short lots
sell         takes from the oldest lots; beyond them it opens a short lot at its price
booking      shares that come are a lot at price zero; shares that go leave the oldest lots
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import Booking, Fill


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares that came in one execution and are still held.

    Attributes:
        symbol: Exchange code.
        session: When they came.
        shares: What is left of them; negative where they were sold short.
        price: What each was bought or sold for, fees apart; zero for booked shares.
    """

    symbol: str
    session: date
    shares: int
    price: Decimal


def fills_in_force(fills: Iterable[Fill]) -> list[Fill]:
    """Trades that no bust takes back, in the order given; a bust may come before its trade."""
    given = list(fills)
    busted = {(fill.broker, fill.busts) for fill in given if fill.busts}
    if not busted:
        return given
    return [
        fill for fill in given if not fill.busts and (fill.broker, fill.execution_id) not in busted
    ]


def open_lots(
    fills: Sequence[Fill], bookings: Sequence[Booking], *, before: Sequence[Lot] = ()
) -> list[Lot]:
    """Lots that are open after all executions, oldest first within a symbol, by symbol.

    Sessions count in their order; within one, bookings come before fills, as corporate actions
    take effect before the open.

    Args:
        fills: In order of booking, busts among them.
        bookings: In order of booking.
        before: Lots that were open before all of these executions, none of which busts an earlier
            one.
    """
    lots: dict[str, list[Lot]] = {}
    for lot in before:
        lots.setdefault(lot.symbol, []).append(lot)
    moves: list[Fill | Booking] = [*bookings, *fills_in_force(fills)]
    for move in sorted(moves, key=lambda one: (one.session, isinstance(one, Fill))):
        arriving = _to_lot(move)
        if arriving.symbol and arriving.shares:
            lots[arriving.symbol] = _absorb(lots.get(arriving.symbol, []), arriving)
    return [lot for _, held in sorted(lots.items()) for lot in held]


def _to_lot(move: Fill | Booking) -> Lot:
    if isinstance(move, Booking):
        return Lot(move.symbol, move.session, move.shares, ZERO)
    sign = 1 if move.side is Side.BUY else -1
    return Lot(move.symbol, move.session, sign * move.quantity_shares, move.price)


def _absorb(held: Sequence[Lot], arriving: Lot) -> list[Lot]:
    """Close the oldest lots of the other sign first; what is left opens a lot of its own."""
    left, kept = arriving.shares, []
    for lot in held:
        closing = min(abs(lot.shares), abs(left)) if lot.shares * left < 0 else 0
        if closing:
            left += closing if left < 0 else -closing
            lot = replace(lot, shares=lot.shares + (closing if lot.shares < 0 else -closing))
        if lot.shares:
            kept.append(lot)
    if left:
        kept.append(replace(arriving, shares=left))
    return kept
