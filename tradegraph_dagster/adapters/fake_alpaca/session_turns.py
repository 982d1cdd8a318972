"""What the turns of a session do to an account: the open, the close, the end of the evening."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.hours import turns
from tradegraph_dagster.adapters.fake_alpaca.matching import MATCHABLE, match
from tradegraph_dagster.adapters.fake_alpaca.records import ZERO, Order, Quote
from tradegraph_dagster.adapters.fake_alpaca.valuation import equity


def roll(account: Account) -> None:
    """Make up for every open, close and evening between the last time and now."""
    now = account.now
    for at, turn, session in turns(account.state.rolled, now):
        account.at = at
        try:
            _TURNS[turn](account, session)
        finally:
            account.at = None
    account.state.rolled = now


def end_order(account: Account, order: Order, status: str) -> None:
    """Cancel or expire an order."""
    order.status = status
    order.updated_at = account.stamp()
    if status == "expired":
        order.expired_at = order.updated_at
    else:
        order.canceled_at = order.updated_at
    account.save(order)
    account.announce(status, order)


def set_status(account: Account, order: Order, status: str) -> None:
    """Move an order that goes on."""
    order.status = status
    order.updated_at = account.stamp()
    account.save(order)
    account.announce(status, order)


def _open(account: Account, session: date) -> None:
    _quote_bars(account, session, "o")
    for order in account.open_orders():
        if order.status in ("accepted", "done_for_day"):
            set_status(account, order, "partially_filled" if order.filled_qty else "new")
    match(account, auction="opg")
    _end(account, "opg", "canceled")


def _close(account: Account, session: date) -> None:
    _quote_bars(account, session, "c")
    match(account, auction="cls")
    _end(account, "cls", "canceled")
    for order in account.open_orders():
        if order.time_in_force == "day" and not order.extended_hours:
            end_order(account, order, "expired")
        elif order.time_in_force == "gtc" and order.status in MATCHABLE:
            is_old = order.expires_at is not None and order.expires_at <= account.now
            if is_old:
                end_order(account, order, "canceled")
            elif not order.extended_hours:
                set_status(account, order, "done_for_day")
    _end_of_day(account)


def _evening(account: Account, session: date) -> None:
    for order in account.open_orders():
        if order.time_in_force == "day" and order.extended_hours:
            end_order(account, order, "expired")


def _end(account: Account, time_in_force: str, status: str) -> None:
    for order in account.open_orders():
        if order.time_in_force == time_in_force and order.status in MATCHABLE:
            end_order(account, order, status)


def _quote_bars(account: Account, session: date, letter: str) -> None:
    """Where the account has the session's bars, its quotes are their open or close."""
    named = {order.symbol for order in account.open_orders()} | set(account.state.positions)
    for symbol in sorted(named):
        bar = account.market.bar(symbol, session)
        if bar is not None:
            price = Decimal(str(bar[letter]))
            account.state.quotes[symbol] = Quote(bid=price, ask=price)


def _end_of_day(account: Account) -> None:
    """The nightly job: average prices become those of the lots that are left, oldest sold first."""
    for held in account.state.positions.values():
        value = sum((abs(shares) * cost for shares, cost in held.lots), ZERO)
        shares = sum((abs(shares) for shares, _ in held.lots), ZERO)
        held.average = value / shares if shares else held.average
        held.lastday_price = account.price(held.symbol) or held.average
        held.lastday_qty = held.qty
    account.state.last_equity = equity(account)


_TURNS = {"open": _open, "close": _close, "evening": _evening}
