"""The ledger's book ahead of a session: holdings ex-right, prices, equity and what it was before.

A holding without any price counts as worth nothing: for a long book that is the careful side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.money import ZERO, to_decimal
from tradegraph_dagster.domain.markets.schema import Market, Side
from tradegraph_dagster.domain.orders.entitlements import (
    CorporateAction,
    ex_right_price,
    holding_to_entitlement,
)
from tradegraph_dagster.domain.orders.prices import bars_to_prices
from tradegraph_dagster.domain.orders.schema import Book, Booking
from tradegraph_dagster.domain.risk.schema import Holding

# Money or shares that come from outside or leave: never profit, never loss.
FLOW_KINDS = frozenset({"deposit", "withdrawal", "transfer"})

SUSPENDED = "was suspended in the last session"
QUARANTINED = "the last bar is quarantined"
UNPRICED = "no price is known"

_FEE_STEP = Decimal("0.000001")


@dataclass(frozen=True)
class Quotes:
    """What is known of prices after the close of t.

    Attributes:
        prices: Symbol -> newest trusted raw close, not ex-right yet.
        untradable: Symbol -> why it must not be traded in t+1.
    """

    prices: Mapping[str, Decimal]
    untradable: Mapping[str, str]


@dataclass(frozen=True)
class Opening:
    """The book as it stands before the session's open.

    Attributes:
        holdings: Symbol -> shares ex-right; names with shares only.
        prices: Symbol -> reference price ex-right.
        cash: Booked cash; dividends of the session are not in it yet.
        equity: Cash, holdings at reference prices, and dividends due in the session.
    """

    holdings: Mapping[str, Holding]
    prices: Mapping[str, Decimal]
    cash: Decimal
    equity: Decimal


def bars_to_quotes(bars: pl.DataFrame, validated: Iterable[str], wanted: Iterable[str]) -> Quotes:
    """Prices and who must not be traded, from the bars of t.

    A quarantined bar is not trusted: its name is valued at the close before and not traded.

    Args:
        bars: ADJUSTED_BARS rows of t.
        validated: Symbols whose bar passed the gates.
        wanted: Symbols the answer is for.
    """
    trusted = set(validated)
    known = bars_to_prices(bars, trusted)
    suspended = dict(zip(bars["symbol"], bars["is_suspended"], strict=True))
    prices: dict[str, Decimal] = {}
    untradable: dict[str, str] = {}
    for symbol in sorted(set(wanted)):
        if symbol in known:
            prices[symbol] = to_decimal(known[symbol])
        if symbol not in known:
            untradable[symbol] = UNPRICED
        elif symbol not in trusted:
            untradable[symbol] = QUARANTINED
        elif suspended[symbol]:
            untradable[symbol] = SUSPENDED
    return Quotes(prices, untradable)


def book_to_opening(
    book: Book,
    quotes: Quotes,
    actions: Mapping[str, CorporateAction],
    *,
    tick: Decimal,
) -> Opening:
    """Put holdings and prices ex-right, and value them.

    Args:
        book: After the close of t.
        quotes: After the close of t.
        actions: Those with ex-date t+1, which are known before its open.
        tick: Smallest step of a price.
    """
    holdings: dict[str, Holding] = {}
    dividends = ZERO
    for symbol, position in book.positions.items():
        shares, sellable = position.quantity_shares, position.sellable_shares
        if symbol in actions and shares:
            due = holding_to_entitlement(shares, actions[symbol])
            dividends += due.cash
            shares, sellable = shares + due.shares, sellable + due.shares
        if shares:
            holdings[symbol] = Holding(shares, max(min(sellable, shares), 0))
    prices = {
        symbol: ex_right_price(price, actions[symbol], tick) if symbol in actions else price
        for symbol, price in quotes.prices.items()
    }
    value = sum((held.shares * prices.get(symbol, ZERO) for symbol, held in holdings.items()), ZERO)
    return Opening(holdings, prices, book.cash, book.cash + value + dividends)


def book_to_equity(book: Book, closes: Mapping[str, Decimal]) -> Decimal:
    """Cash plus positions at their closes."""
    value = sum(
        (
            position.quantity_shares * closes.get(symbol, ZERO)
            for symbol, position in book.positions.items()
        ),
        ZERO,
    )
    return book.cash + value


def flows_by_session(
    bookings: Iterable[Booking], prices: Callable[[date], Mapping[str, float]]
) -> dict[date, Decimal]:
    """Session -> worth of the money and shares that came from outside, less what left.

    Args:
        bookings: Of any kind.
        prices: Symbol -> price of a share after a session's close; asked only for sessions with
            transferred shares. A name without one counts as worth nothing, as in the book.
    """
    flows: dict[date, Decimal] = {}
    closes: dict[date, Mapping[str, float]] = {}
    for booking in bookings:
        if booking.kind not in FLOW_KINDS:
            continue
        day, worth = booking.session, booking.cash
        if booking.shares:
            if day not in closes:
                closes[day] = prices(day)
            worth += booking.shares * to_decimal(closes[day].get(booking.symbol, 0.0))
        flows[day] = flows.get(day, ZERO) + worth
    return flows


def highest_equity(
    decided: Sequence[tuple[date, Decimal]], flows: Mapping[date, Decimal], *, equity: Decimal
) -> Decimal:
    """The peak that drawdown is measured from.

    Money from outside moves the peak with it: a withdrawal is no drawdown, a deposit no recovery.

    Args:
        decided: Session -> equity its decision was taken on, ascending; it stands at the close
            before the session.
        flows: Session -> money from outside, booked in it.
        equity: Of the decision that is being taken.
    """
    peak = ZERO
    last = date.min
    for session, known in decided:
        peak = max(peak + _flows_between(flows, last, session), known)
        last = session
    return max(peak + _flows_between(flows, last, date.max), equity)


def conservative_fee_frac(market: Market, notional: Decimal, session: date) -> Decimal:
    """The dearer side's fee of an order of `notional`, as a fraction of it, rounded up.

    Shares are taken as if they cost one unit each, which overstates fees charged by the share.
    """
    amount = max(notional, Decimal(1))
    dearest = max(market.fees(side, amount, session, shares=int(amount)).total for side in Side)
    return (dearest / amount).quantize(_FEE_STEP) + _FEE_STEP


def _flows_between(flows: Mapping[date, Decimal], after: date, before: date) -> Decimal:
    """Booked from `after` on, and before `before`."""
    return sum((flow for day, flow in flows.items() if after <= day < before), ZERO)
