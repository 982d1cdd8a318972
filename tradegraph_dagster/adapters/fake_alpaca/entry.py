"""Taking an order: what the vendor refuses, and how an order enters the book."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.hours import day_of, local_day, next_session, phase_at
from tradegraph_dagster.adapters.fake_alpaca.matching import match
from tradegraph_dagster.adapters.fake_alpaca.records import ZERO, Order
from tradegraph_dagster.adapters.fake_alpaca.session_turns import end_order, set_status
from tradegraph_dagster.adapters.fake_alpaca.valuation import available, buying_power, order_cost
from tradegraph_dagster.adapters.fake_alpaca.wire import (
    BAD_PARAMETER,
    FORBIDDEN,
    NEW_YORK,
    SECOND,
    UNPROCESSABLE,
    Answer,
    amount_text,
    read_amount,
    refuse,
    to_datetime,
)

MOST_ID_CHARACTERS = 128
GOOD_UNTIL = timedelta(days=90)
TYPES = ("market", "limit", "stop", "stop_limit")
TIMES_IN_FORCE = ("day", "gtc", "opg", "cls", "ioc", "fok")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9./\-]{0,9}")
_MINUTE = 60 * SECOND
# Orders for an auction are not taken from this long before it until the evening.
_OPG_CUT, _CLS_CUT, _AUCTION_HOUR = 2 * _MINUTE, 10 * _MINUTE, 19


@dataclass(frozen=True)
class Ask:
    """An order request that has the right form."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    extended_hours: bool
    client_order_id: str


def place(account: Account, fields: Mapping[str, Any], *, source: str = "api") -> Answer:
    """POST /v2/orders."""
    ask = read_ask(fields)
    if isinstance(ask, Answer):
        return ask
    is_power_first = account.state.settings.power_before_identity
    order = make_order(account, ask, source) if is_power_first else None
    refusal = _check_power(account, order) if order is not None else None
    for check in (_check_identity, _check_symbol, _check_times, _check_wash, _check_shares):
        refusal = refusal or check(account, ask)
    if refusal is not None:
        return refusal
    order = order or make_order(account, ask, source)
    return _check_power(account, order) or enter(account, order)


def enter(account: Account, order: Order) -> Answer:
    """Book a checked order; the answer is what it was at that moment, before it could fill."""
    is_live = phase_at(account.now) == "regular" and order.time_in_force not in ("opg", "cls")
    is_live = is_live or (order.extended_hours and phase_at(account.now) != "closed")
    is_auction_day = phase_at(account.now) == "regular" and order.time_in_force == "cls"
    order.status = "pending_new" if is_live or is_auction_day else "accepted"
    settings = account.state.settings
    order.hidden_calls = settings.hidden_calls
    order.hidden_until = account.now + int(settings.hidden_seconds * SECOND)
    if not settings.hidden_seconds:
        order.hidden_until = 0
    account.save(order)
    shown = order.to_wire()
    account.announce(order.status, order)
    if order.status == "pending_new":
        set_status(account, order, "new")
        match(account, order)
        if order.time_in_force in ("ioc", "fok") and order.is_open:
            end_order(account, order, "canceled")
    return Answer(200, shown)


def make_order(account: Account, ask: Ask, source: str, replaces: str | None = None) -> Order:
    """A new order out of a request; nothing of it is in the book yet."""
    number, at = account.state.next_id, account.stamp()
    identity = account.new_id()
    held = account.state.positions.get(ask.symbol)
    closing = held is not None and (held.qty > 0) == (ask.side == "sell")
    expires = day_of(next_session(at)).closes
    if ask.time_in_force == "gtc":
        expires = at + int(GOOD_UNTIL.total_seconds()) * SECOND
    return Order(
        id=identity,
        seq=number,
        client_order_id=ask.client_order_id or identity,
        symbol=ask.symbol,
        side=ask.side,
        type=ask.type,
        time_in_force=ask.time_in_force,
        qty=ask.qty,
        notional=ask.notional,
        limit_price=ask.limit_price,
        stop_price=ask.stop_price,
        extended_hours=ask.extended_hours,
        position_intent=f"{ask.side}_to_{'close' if closing else 'open'}",
        created_at=at,
        updated_at=at,
        submitted_at=at,
        expires_at=expires,
        replaces=replaces,
        source=source,
    )


def read_ask(fields: Mapping[str, Any]) -> Ask | Answer:
    """The request in its parts, or what is wrong with its form."""
    amounts: dict[str, Decimal | None] = {}
    for name in ("qty", "notional", "limit_price", "stop_price"):
        value = fields.get(name)
        amounts[name] = amount = None if value is None else read_amount(value)
        if value is not None and (amount is None or amount <= ZERO):
            return refuse(422, BAD_PARAMETER, f"{name} must be a number > 0")
    choices = (("side", ("buy", "sell")), ("type", TYPES), ("time_in_force", TIMES_IN_FORCE))
    for name, allowed in choices:
        if fields.get(name) not in allowed:
            return refuse(422, BAD_PARAMETER, f"invalid {name}: {fields.get(name)!r}")
    if fields.get("order_class") not in (None, "", "simple"):
        return refuse(422, BAD_PARAMETER, "order_class other than simple is not served locally")
    if (amounts["qty"] is None) == (amounts["notional"] is None):
        return refuse(422, BAD_PARAMETER, "qty or notional is required, and not both")
    ask = Ask(
        symbol=str(fields.get("symbol") or ""),
        side=fields["side"],
        type=fields["type"],
        time_in_force=fields["time_in_force"],
        extended_hours=fields.get("extended_hours") is True,
        client_order_id=str(fields.get("client_order_id") or ""),
        **amounts,
    )
    return _check_form(ask) or ask


def check_price(price: Decimal | None, name: str) -> Answer | None:
    """Two decimals from a dollar on, four below."""
    if price is None:
        return None
    places = 2 if price >= 1 else 4
    if price == round(price, places):
        return None
    message = f"invalid {name} {amount_text(price)}. sub-penny increment does not fulfill minimum"
    return refuse(422, UNPROCESSABLE, f"{message} pricing criteria")


def check_client_id(account: Account, client_order_id: str) -> Answer | None:
    """At most 128 characters, and never used before."""
    if len(client_order_id) > MOST_ID_CHARACTERS:
        message = f"client_order_id must be no more than {MOST_ID_CHARACTERS} characters"
        return refuse(422, BAD_PARAMETER, message)
    if client_order_id in account.ids:
        return refuse(422, BAD_PARAMETER, "client_order_id must be unique")
    return None


def _check_form(ask: Ask) -> Answer | None:
    is_fraction = ask.notional is not None or ask.qty != round(ask.qty or ZERO, 0)
    rules = (
        ("limit" in ask.type and ask.limit_price is None, "limit orders require limit price"),
        ("stop" in ask.type and ask.stop_price is None, "stop orders require stop price"),
        (
            "limit" not in ask.type and ask.limit_price is not None,
            f"{ask.type} orders require no limit price",
        ),
        (is_fraction and ask.time_in_force != "day", "fractional orders must be DAY orders"),
        (
            ask.notional is not None and ask.type != "market",
            "notional orders must be market orders",
        ),
        (
            ask.extended_hours and (ask.type != "limit" or ask.time_in_force not in ("day", "gtc")),
            "extended hours order must be DAY or GTC limit orders",
        ),
    )
    for is_broken, message in rules:
        if is_broken:
            return refuse(422, BAD_PARAMETER, message)
    return check_price(ask.limit_price, "limit_price") or check_price(ask.stop_price, "stop_price")


def _check_identity(account: Account, ask: Ask) -> Answer | None:
    if account.state.settings.trading_blocked:
        return refuse(403, FORBIDDEN, "account is restricted to liquidation only")
    return check_client_id(account, ask.client_order_id) if ask.client_order_id else None


def _check_power(account: Account, order: Order) -> Answer | None:
    cost, power = order_cost(account, order), buying_power(account)
    if cost <= power:
        return None
    return refuse(
        403,
        FORBIDDEN,
        "insufficient buying power",
        buying_power=amount_text(power),
        cost_basis=amount_text(cost),
    )


def _check_symbol(account: Account, ask: Ask) -> Answer | None:
    if _SYMBOL.fullmatch(ask.symbol) is None or account.asset(ask.symbol) is None:
        return refuse(422, UNPROCESSABLE, f'asset "{ask.symbol}" not found')
    if not account.is_known(ask.symbol):
        return refuse(422, UNPROCESSABLE, f'asset "{ask.symbol}" is not tradable')
    return None


def _check_times(account: Account, ask: Ask) -> Answer | None:
    """Orders for an auction are taken until shortly before it, and again from the evening on."""
    now = account.now
    if ask.time_in_force not in ("opg", "cls") or phase_at(now) == "closed":
        return None
    day = day_of(local_day(now))
    is_opg = ask.time_in_force == "opg"
    cut = day.opens - _OPG_CUT if is_opg else day.closes - _CLS_CUT
    if now < cut or to_datetime(now).astimezone(NEW_YORK).hour >= _AUCTION_HOUR:
        return None
    return refuse(422, UNPROCESSABLE, f"{ask.time_in_force} orders are not accepted at this time")


def _check_wash(account: Account, ask: Ask) -> Answer | None:
    """No order may meet another one of the same account."""
    for order in account.open_orders_of(ask.symbol, "sell" if ask.side == "buy" else "buy"):
        buy, sell = (
            (ask.limit_price, order.limit_price)
            if ask.side == "buy"
            else (order.limit_price, ask.limit_price)
        )
        if buy is None or sell is None or buy >= sell:
            message = "potential wash trade detected. use complex orders"
            return refuse(403, FORBIDDEN, message, existing_order_id=order.id)
    return None


def _check_shares(account: Account, ask: Ask) -> Answer | None:
    """A holding can be closed but not turned around, and only what is left of it."""
    held = account.state.positions.get(ask.symbol)
    quantity = held.qty if held is not None else ZERO
    price = account.price(ask.symbol)
    wanted = ask.qty if ask.qty is not None else (ask.notional or ZERO) / (price or Decimal(1))
    if quantity and (quantity > 0) == (ask.side == "sell"):
        left = available(account, ask.symbol)
        if wanted <= left:
            return None
        shown = f"requested: {amount_text(wanted)}, available: {amount_text(left)}"
        return refuse(
            403,
            FORBIDDEN,
            f"insufficient qty available for order ({shown})",
            symbol=ask.symbol,
            existing_qty=amount_text(abs(quantity)),
            held_for_orders=amount_text(abs(quantity) - left),
            available=amount_text(left),
        )
    if ask.side == "sell":
        asset = account.asset(ask.symbol) or {}
        is_whole = wanted == round(wanted, 0)
        if not (account.state.settings.shorting and asset.get("shortable") and is_whole):
            return refuse(403, FORBIDDEN, "account is not allowed to short")
    return None
