"""One session at the simulated broker, as a pure function of its account, orders and tapes.

1. `apply_actions`: dividends, bonus shares and splits of the ex-date reach what is held.
2. `settle_orders`: sales by symbol, then buys by symbol, so that sales pay for buys.

An order fills once, at the session's open, close or mean price, or expires with a reason. Fill
rules, on the careful side: nothing fills on a suspended name, no buy at the upper limit and no sale
at the lower one, nothing beyond an order's own limit price, a name's orders take at most a share of
its volume, and a buy shrinks to the legal quantity that cash can pay with its fee.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS
from tradegraph_dagster.adapters.simulated.tape import Tape
from tradegraph_dagster.domain.core.money import ZERO, round_down, to_decimal
from tradegraph_dagster.domain.markets.lots import legal_buy_quantity, legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import Market, Side
from tradegraph_dagster.domain.orders.entitlements import CorporateAction, holding_to_entitlement
from tradegraph_dagster.domain.orders.schema import Booking, Fill, OrderIntent

NAME = "simulated"

_BPS = Decimal(10_000)


@dataclass(frozen=True)
class Account:
    """Cash and shares; a name with no shares is not in it."""

    cash: Decimal = ZERO
    holdings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Settlement:
    """What a session came to.

    Attributes:
        account: After it.
        fills: In the order they happened.
        expired: Client order id -> why (the rest of) it was not filled.
    """

    account: Account
    fills: tuple[Fill, ...]
    expired: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one order comes to: shares that fill, at a price, and why no more."""

    shares: int = 0
    price: Decimal = ZERO
    reason: str = ""


def opening_deposit(cash: Decimal, *, market: str, session: date) -> Booking:
    """The money the account starts with."""
    return Booking(NAME, f"{session}-deposit", market, session, "deposit", cash=cash)


def apply_actions(
    account: Account, actions: Mapping[str, CorporateAction], *, market: str, session: date
) -> tuple[Account, tuple[Booking, ...]]:
    """Book what the holdings are entitled to on the ex-date; rights are not taken up."""
    holdings = dict(account.holdings)
    bookings: list[Booking] = []
    for symbol in sorted(holdings.keys() & actions.keys()):
        due = holding_to_entitlement(holdings[symbol], actions[symbol])
        holdings[symbol] += due.shares
        bookings += [
            Booking(
                NAME, f"{session}-{symbol}-{kind}", market, session, kind, symbol, shares, amount
            )
            for kind, shares, amount in (
                ("dividend", 0, due.cash),
                ("bonus", due.bonus_shares, ZERO),
                ("split", due.split_shares, ZERO),
            )
            if shares or amount
        ]
    cash = account.cash + sum((booking.cash for booking in bookings), ZERO)
    return Account(cash, _without_zeros(holdings)), tuple(bookings)


def shares_after_actions(
    holdings: Mapping[str, int], actions: Mapping[str, CorporateAction], symbols: Iterable[str]
) -> dict[str, int]:
    """What is held of `symbols` once the session's corporate actions are booked."""
    held = {symbol: holdings.get(symbol, 0) for symbol in symbols}
    return {
        symbol: shares + holding_to_entitlement(shares, actions[symbol]).shares
        if symbol in actions
        else shares
        for symbol, shares in held.items()
    }


def settle_orders(
    account: Account,
    orders: Sequence[OrderIntent],
    tapes: Mapping[str, Tape],
    *,
    market: Market,
    options: OPTIONS,
    filled_at: datetime,
) -> Settlement:
    """Fill what can be filled. Equal arguments give equal fills, whatever order they come in.

    Args:
        account: After the session's corporate actions; every holding may be sold.
        orders: Of one session.
        tapes: Symbol -> its session; a symbol without one did not trade.
        market: Fees, lots and tick.
        options: Fill rules.
        filled_at: Instant of the fills.
    """
    cash, holdings = account.cash, dict(account.holdings)
    taken: dict[str, int] = {}
    fills: list[Fill] = []
    expired: dict[str, str] = {}
    for intent in sorted(orders, key=_settling_key):
        held = holdings.get(intent.symbol, 0)
        tape = tapes.get(intent.symbol)
        attempt = _try_order(
            intent,
            tape,
            Account(cash, {intent.symbol: held}),
            taken,
            market=market,
            options=options,
        )
        if attempt.shares < intent.quantity_shares:
            expired[intent.client_order_id] = attempt.reason
        if attempt.shares == 0:
            continue
        fill = _to_fill(intent, attempt, market, filled_at)
        fills.append(fill)
        sign = 1 if intent.side is Side.BUY else -1
        cash -= sign * fill.price * fill.quantity_shares + fill.fee
        holdings[intent.symbol] = held + sign * fill.quantity_shares
        taken[intent.symbol] = taken.get(intent.symbol, 0) + fill.quantity_shares
    return Settlement(Account(cash, _without_zeros(holdings)), tuple(fills), expired)


def fill_price(side: Side, tape: Tape, price: Decimal, *, tick: Decimal, bps: float) -> Decimal:
    """The session's price moved against the order, on the tick grid, inside the day's range."""
    drift = price * to_decimal(bps) / _BPS
    moved = (
        -round_down(-(price + drift), tick) if side is Side.BUY else round_down(price - drift, tick)
    )
    inside = min(max(moved, tape.low), tape.high)
    return min(max(inside, tape.band.lower), tape.band.upper) if tape.band else inside


def _settling_key(intent: OrderIntent) -> tuple[bool, str, str]:
    return intent.side is Side.BUY, intent.symbol, intent.client_order_id


def _try_order(
    intent: OrderIntent,
    tape: Tape | None,
    account: Account,
    taken: Mapping[str, int],
    *,
    market: Market,
    options: OPTIONS,
) -> _Attempt:
    if tape is None:
        return _Attempt(reason="no bar in the session")
    if tape.price is None:
        return _Attempt(reason="suspended")
    unfilled = _limit_reason(intent.side, tape, tape.price) or _beyond_reason(intent, tape.price)
    if unfilled:
        return _Attempt(reason=unfilled)
    price = _at_most_limit(
        intent,
        fill_price(intent.side, tape, tape.price, tick=market.tick, bps=options.slippage_bps),
    )
    most = int(tape.volume_shares * to_decimal(options.max_volume_frac))
    room = max(most - taken.get(intent.symbol, 0), 0)
    if intent.side is Side.BUY:
        return _try_buy(intent, tape, account.cash, room, price=price, market=market)
    return _try_sale(intent, tape, account, room, price=price, market=market)


def _limit_reason(side: Side, tape: Tape, price: Decimal) -> str:
    if tape.band is None:
        return ""
    if side is Side.BUY and (price >= tape.band.upper or tape.low >= tape.band.upper):
        return f"at the upper limit {tape.band.upper}"
    if side is Side.SELL and (price <= tape.band.lower or tape.high <= tape.band.lower):
        return f"at the lower limit {tape.band.lower}"
    return ""


def _beyond_reason(intent: OrderIntent, price: Decimal) -> str:
    """Why an order's own limit price keeps it from filling; empty where it does not."""
    limit = intent.limit_price
    if limit is None or _at_most_limit(intent, price) == price:
        return ""
    return f"its limit price {limit} was not reached, the price was {price}"


def _at_most_limit(intent: OrderIntent, price: Decimal) -> Decimal:
    """The price, or the order's limit price where it is worse."""
    if intent.limit_price is None:
        return price
    return (min if intent.side is Side.BUY else max)(price, intent.limit_price)


def _try_buy(
    intent: OrderIntent, tape: Tape, cash: Decimal, room: int, *, price: Decimal, market: Market
) -> _Attempt:
    if price <= 0:
        return _Attempt(reason=f"the price is {price}")
    wanted = intent.quantity_shares
    by_volume = legal_buy_quantity(min(wanted, room), tape.lot_rule)
    shares = by_volume
    while shares:
        missing = price * shares + _fee(market, intent, price, shares) - cash
        if missing <= 0:
            break
        fewer = shares - max(int(missing // price), 1)
        shares = legal_buy_quantity(max(fewer, 0), tape.lot_rule)
    reason = "cash" if shares < by_volume else "volume"
    return _Attempt(shares, price, f"{shares} of {wanted} filled: {reason} was not enough")


def _try_sale(
    intent: OrderIntent, tape: Tape, account: Account, room: int, *, price: Decimal, market: Market
) -> _Attempt:
    held = account.holdings[intent.symbol]
    wanted = intent.quantity_shares
    shares = legal_sell_quantity(min(wanted, room), held, tape.lot_rule)
    proceeds = price * shares - (_fee(market, intent, price, shares) if shares else ZERO)
    if account.cash + proceeds < 0:
        return _Attempt(reason="the fee is more than the proceeds and cash")
    reason = "holding" if held < min(wanted, room) else "volume"
    return _Attempt(shares, price, f"{shares} of {wanted} filled: {reason} was not enough")


def _fee(market: Market, intent: OrderIntent, price: Decimal, shares: int) -> Decimal:
    return market.fees(intent.side, price * shares, intent.session, shares=shares).total


def _to_fill(intent: OrderIntent, attempt: _Attempt, market: Market, filled_at: datetime) -> Fill:
    return Fill(
        broker=NAME,
        execution_id=f"sim-{intent.client_order_id}-1",
        client_order_id=intent.client_order_id,
        market=intent.market,
        session=intent.session,
        symbol=intent.symbol,
        side=intent.side,
        quantity_shares=attempt.shares,
        price=attempt.price,
        fee=_fee(market, intent, attempt.price, attempt.shares),
        filled_at=filled_at,
    )


def _without_zeros(holdings: Mapping[str, int]) -> dict[str, int]:
    return {symbol: shares for symbol, shares in sorted(holdings.items()) if shares}
