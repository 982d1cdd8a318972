"""Fills and bookings -> positions and cash. Decimal throughout; fees never enter a cost.

same side    cost grows by price * shares
other side   realised += (price - average) * shares closed; what crosses zero opens at the price
booking      shares come or go at no cost: bonus shares lower the average, and a holding that
             is booked away realises its cost as a loss
bust         what it takes back leaves no trace, from the session of the bust on: no shares, cost,
             result, cash or fee
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.money import WORKING_DIGITS, ZERO
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.schema import Book, Booking, Fill, Position

# Averages are computed with many more digits than are kept, so that splitting a fill or booking
# equal fills in another order gives the same kept digits.
_KEPT = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class _Lots:
    """One symbol: shares (negative when short), their cost (never negative) and what was won."""

    shares: int = 0
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    bought_last: int = 0


def executions_to_book(
    fills: Sequence[Fill],
    bookings: Sequence[Booking],
    *,
    session: date,
    unsellable_sessions: int,
) -> Book:
    """Fold executions up to and including a session.

    Within a session bookings come before fills, as corporate actions take effect before the open;
    otherwise the order given counts. A closed position stays, with no shares, for its result.

    Args:
        fills: In order of booking; later sessions are left out.
        bookings: In order of booking; later sessions are left out.
        session: The last session to fold.
        unsellable_sessions: Session starts that must pass before bought shares can be sold, 0 to
            2. Sellable is meant for the session after `session`: under 1 everything held is, under
            2 all but what was bought in `session`.

    Raises:
        InvariantBroken: More unsellable sessions than that, which would need a calendar.
    """
    if not 0 <= unsellable_sessions <= 2:
        raise InvariantBroken(
            f"expected 0 to 2 unsellable sessions, found {unsellable_sessions}; mend the market"
        )
    done_fills = fills_in_force(fill for fill in fills if fill.session <= session)
    done_bookings = [booking for booking in bookings if booking.session <= session]
    with localcontext(prec=WORKING_DIGITS):
        lots = _fold(done_fills, done_bookings, session)
        positions = {
            symbol: _to_position(symbol, held, is_locked=unsellable_sessions == 2)
            for symbol, held in sorted(lots.items())
        }
        cash = sum((booking.cash for booking in done_bookings), ZERO) + sum(
            (_cash_of(fill) for fill in done_fills), ZERO
        )
        fees = sum((fill.fee for fill in done_fills), ZERO)
    return Book(session=session, positions=positions, cash=cash, fees=fees)


def book_through(
    ws: Workspace, session: date, fills: Sequence[Fill], bookings: Sequence[Booking]
) -> Book:
    """Fold executions up to and including a session by the rules of a market."""
    return executions_to_book(
        fills, bookings, session=session, unsellable_sessions=ws.market.unsellable_sessions
    )


def cash_of(fill: Fill) -> Decimal:
    """What a trade does to the cash: a sale brings its notional, both cost their fee."""
    with localcontext(prec=WORKING_DIGITS):
        return _cash_of(fill)


def _fold(fills: Iterable[Fill], bookings: Iterable[Booking], session: date) -> dict[str, _Lots]:
    lots: dict[str, _Lots] = {}
    executions: list[Fill | Booking] = [*bookings, *fills]
    for execution in sorted(executions, key=lambda one: (one.session, isinstance(one, Fill))):
        if not execution.symbol:
            continue
        held = lots.get(execution.symbol, _Lots())
        if isinstance(execution, Fill):
            lots[execution.symbol] = _add_fill(held, execution, session)
        elif execution.shares:
            lots[execution.symbol] = _add_shares(held, execution.shares)
    return lots


def _add_fill(held: _Lots, fill: Fill, session: date) -> _Lots:
    sign = 1 if fill.side is Side.BUY else -1
    if fill.session == session and sign > 0:
        held = replace(held, bought_last=held.bought_last + fill.quantity_shares)
    closing = min(abs(held.shares), fill.quantity_shares) if held.shares * sign < 0 else 0
    opening = fill.quantity_shares - closing
    cost, realised = held.cost, held.realised
    if closing:
        average = cost / abs(held.shares)
        realised += (fill.price - average) * closing * -sign
        cost = average * (abs(held.shares) - closing)
    return replace(
        held,
        shares=held.shares + sign * fill.quantity_shares,
        cost=cost + fill.price * opening,
        realised=realised,
    )


def _add_shares(held: _Lots, shares: int) -> _Lots:
    left = held.shares + shares
    if left:
        return replace(held, shares=left)
    return replace(held, shares=0, cost=ZERO, realised=held.realised - held.cost)


def _cash_of(fill: Fill) -> Decimal:
    notional = fill.price * fill.quantity_shares
    return (notional if fill.side is Side.SELL else -notional) - fill.fee


def _to_position(symbol: str, held: _Lots, *, is_locked: bool) -> Position:
    locked = held.bought_last if is_locked else 0
    average = held.cost / abs(held.shares) if held.shares else ZERO
    return Position(
        symbol=symbol,
        quantity_shares=held.shares,
        sellable_shares=max(held.shares - locked, 0),
        average_cost=average.quantize(_KEPT) if average else ZERO,
        realised_pnl=held.realised.quantize(_KEPT) if held.realised else ZERO,
    )
