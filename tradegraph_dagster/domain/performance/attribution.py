"""Whose executions they are: each fill is its order's strategy's, each booking its holders'.

An order's id comes from its decision, and the decision's from its strategy and session, so the
strategy of a fill is found by computing ids; only what no known strategy explains is looked up.
What nobody ordered belongs to the strategy of no name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tradegraph_dagster.domain.core.ids import client_order_id, decision_id
from tradegraph_dagster.domain.core.money import CENT, ZERO, round_down
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.schema import Booking, Fill

NOBODY = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What one strategy did or got.

    Attributes:
        strategy: Its name; empty for what nobody ordered.
        fills: In order of booking.
        bookings: Its parts of the bookings of what it held.
    """

    strategy: str
    fills: tuple[Fill, ...]
    bookings: tuple[Booking, ...]


def attribute(
    fills: Sequence[Fill],
    bookings: Sequence[Booking],
    strategies: Collection[str],
    *,
    look_up: Callable[[str], str],
) -> tuple[Share, ...]:
    """Executions by strategy, sorted; together they are all that have a symbol, and other cash.

    Bookings come before the fills of their session and go to those who hold the symbol, in
    proportion to their shares; the last of them takes what rounding leaves. Money of the whole
    account (`symbol` empty) is nobody's.

    Args:
        fills: Busts among them take back their trade.
        bookings: In order of booking.
        strategies: Names that may explain a fill.
        look_up: Client order id -> strategy, for the fills that none of them explains.
    """
    owners = {fill.client_order_id: "" for fill in fills}
    for fill in fills:
        owners[fill.client_order_id] = owners[fill.client_order_id] or (
            _explain(fill, strategies) or look_up(fill.client_order_id)
        )
    held: dict[str, dict[str, int]] = {}
    parts: dict[str, tuple[list[Fill], list[Booking]]] = {}
    moves: list[Fill | Booking] = [*bookings, *fills_in_force(fills)]
    for move in sorted(moves, key=lambda one: (one.session, isinstance(one, Fill))):
        holders = held.setdefault(move.symbol, {})
        if isinstance(move, Fill):
            owner = owners[move.client_order_id]
            sign = 1 if move.side is Side.BUY else -1
            holders[owner] = holders.get(owner, 0) + sign * move.quantity_shares
            parts.setdefault(owner, ([], []))[0].append(move)
            continue
        for owner, part in _split(move, holders):
            holders[owner] = holders.get(owner, 0) + part.shares
            parts.setdefault(owner, ([], []))[1].append(part)
    return tuple(
        Share(name, tuple(own), tuple(booked)) for name, (own, booked) in sorted(parts.items())
    )


def _explain(fill: Fill, strategies: Collection[str]) -> str:
    for strategy in strategies:
        decision = decision_id(market=fill.market, strategy=strategy, session=fill.session)
        name = client_order_id(decision=decision, symbol=fill.symbol, leg=fill.side.value)
        if name == fill.client_order_id:
            return strategy
    return NOBODY


def _split(booking: Booking, holders: dict[str, int]) -> list[tuple[str, Booking]]:
    """A booking in parts by shares held; nobody's where nobody holds any."""
    owners = sorted((name, shares) for name, shares in holders.items() if shares)
    total = sum(shares for _, shares in owners)
    if not booking.symbol or not owners or not total:
        return [(NOBODY, booking)]
    left_shares, left_cash = booking.shares, booking.cash
    parts = []
    for name, shares in owners[:-1]:
        part = Decimal(shares) / total
        own_shares = int(booking.shares * part)
        own_cash = round_down(booking.cash * part, CENT) if booking.cash else ZERO
        parts.append((name, replace(booking, shares=own_shares, cash=own_cash)))
        left_shares, left_cash = left_shares - own_shares, left_cash - own_cash
    last = owners[-1][0]
    return [*parts, (last, replace(booking, shares=left_shares, cash=left_cash))]
