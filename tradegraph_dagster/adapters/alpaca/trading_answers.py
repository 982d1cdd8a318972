"""Reads what Alpaca says of orders, positions and the account: only what is needed of it.

A field that is absent, null or of another kind is `Unreadable`, and what that means is for the
caller to say: after a submission the order may stand. Fields that nobody needs may come and go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tradegraph_dagster.adapters.alpaca.trading_transport import Reply
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus

# https://docs.alpaca.markets/docs/orders-at-alpaca#order-lifecycle
_WORKING = frozenset(
    {
        "new",
        "accepted",
        "pending_new",
        "accepted_for_bidding",
        "held",
        "stopped",
        "suspended",
        "pending_replace",
        "pending_review",
        "partially_filled",
    }
)
_MEANT = {
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
    # Without its successor nobody knows more of it than that it is off the book.
    "replaced": OrderStatus.CANCELED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
}
# Nothing more fills today: the end of an order for the day, and of no other.
_DONE_TODAY = frozenset({"done_for_day", "calculated"})
_GOOD_FOR_A_DAY = frozenset({"day", "opg", "cls", "ioc", "fok"})
_SIDES = {"buy": Side.BUY, "sell": Side.SELL, "sell_short": Side.SELL}


class Unreadable(Exception):  # noqa: N818
    """An answer does not say what it must."""


class UnknownStatus(Unreadable):
    """An order whose status is a word that nobody knows; `as_working` is the order as if working.

    It is at the broker, and it may fill.
    """

    def __init__(self, status: str, as_working: BrokerOrder) -> None:
        super().__init__(f"unknown status {status!r}")
        self.as_working = as_working


def read_order(body: Any, raw: str = "") -> BrokerOrder:
    """One order.

    Raises:
        Unreadable: A field that is needed is not there; UnknownStatus where only its status is new.
        ConfigError: It is of a fraction of a share or of an amount of money.
    """
    fields = read_object(body)
    symbol = read_text(fields, "symbol")
    filled = read_shares(fields, "filled_qty", symbol)
    limit = fields.get("limit_price")
    updated = fields.get("updated_at")
    said = read_text(fields, "status")
    order = BrokerOrder(
        client_order_id=read_text(fields, "client_order_id"),
        broker_order_id=read_text(fields, "id"),
        status=OrderStatus.PARTIAL if filled else OrderStatus.ACKED,
        quantity_shares=read_shares(fields, "qty", symbol),
        filled_shares=filled,
        reason="" if said in _WORKING or said == "filled" else f"alpaca says {said}",
        symbol=symbol,
        side=read_side(fields),
        limit_price=None if limit is None else read_number(fields, "limit_price"),
        updated_at=None if updated is None else read_instant(fields, "updated_at"),
        raw=raw,
    )
    if said in _WORKING:
        return order
    if said in _MEANT:
        return replace(order, status=_MEANT[said])
    if said in _DONE_TODAY:
        return _done_today(order, str(fields.get("time_in_force")))
    raise UnknownStatus(said, order)


def read_placed_order(body: Any, raw: str = "") -> BrokerOrder:
    """As `read_order`; an order of an unknown status counts as working, with the word as reason."""
    try:
        return read_order(body, raw)
    except UnknownStatus as error:
        return error.as_working


def read_successor(body: Any) -> str:
    """Alpaca's id of the order that replaced this one; empty where none did."""
    replaced_by = read_object(body).get("replaced_by")
    if replaced_by is None:
        return ""
    return read_text(read_object(body), "replaced_by")


def is_duplicate(reply: Reply) -> bool:
    """Whether a submission was refused because the client id is taken, by this order or another."""
    said = reply.message.lower()
    return reply.status == 422 and "client_order_id" in said and "unique" in said


def says_not_found(reply: Reply) -> bool:
    """Whether Alpaca itself says that it has no such order; a stray 404 of a proxy does not."""
    if reply.status != 404 or not isinstance(reply.body, dict):
        return False
    return reply.body.get("code") == 40410000 or "not found" in reply.message.lower()


def read_account(body: Any) -> tuple[str, Decimal]:
    """Account number and cash."""
    fields = read_object(body)
    return read_text(fields, "account_number"), read_number(fields, "cash")


def read_positions(body: Any) -> dict[str, int]:
    """Symbol -> shares, negative when short."""
    held: dict[str, int] = {}
    for row in read_list(body):
        symbol = read_text(row, "symbol")
        shares = read_shares(row, "qty", symbol)
        if symbol in held:
            raise Unreadable(f"two positions of {symbol}")
        # Short positions come with a negative quantity; side says it again.
        held[symbol] = -abs(shares) if row.get("side") == "short" else shares
    return {symbol: shares for symbol, shares in sorted(held.items()) if shares}


def read_object(body: Any) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(body, dict):
        raise Unreadable(f"expected an object, found {type(body).__name__}")
    return body


def read_list(body: Any) -> list[Mapping[str, Any]]:
    """A JSON list of objects."""
    if not isinstance(body, list):
        raise Unreadable(f"expected a list, found {type(body).__name__}")
    return [read_object(row) for row in body]


def read_text(fields: Mapping[str, Any], name: str) -> str:
    """A text that says something."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{name} {value!r}")
    return value


def read_side(fields: Mapping[str, Any]) -> Side:
    """A direction; a short sale is a sale."""
    side = read_text(fields, "side")
    if side not in _SIDES:
        raise Unreadable(f"side {side!r}")
    return _SIDES[side]


def read_number(fields: Mapping[str, Any], name: str) -> Decimal:
    """A number, with the digits it came with."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unreadable(f"{name} {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Unreadable(f"{name} {value!r}") from None
    if not number.is_finite():
        raise Unreadable(f"{name} {value!r}")
    return number


def read_shares(fields: Mapping[str, Any], name: str, symbol: str) -> int:
    """A number of whole shares.

    Raises:
        ConfigError: A fraction of a share, or an amount of money in its place.
    """
    if fields.get(name) is None and fields.get("notional") is not None:
        raise _not_whole(symbol, f"an order for {fields['notional']} of money")
    number = read_number(fields, name)
    if number != number.to_integral_value():
        raise _not_whole(symbol, f"{name} {number}")
    return int(number)


def read_instant(fields: Mapping[str, Any], name: str) -> datetime:
    """An instant with its zone; digits beyond microseconds are cut."""
    text = read_text(fields, name)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{name} {text!r}") from None
    if instant.tzinfo is None:
        raise Unreadable(f"{name} {text!r} has no zone")
    return instant


def _not_whole(symbol: str, found: str) -> ConfigError:
    return ConfigError(
        f"broker alpaca: the account must hold and trade whole shares only, found {found}; close "
        "it at Alpaca, or take another account",
        symbol=symbol,
    )


def _done_today(order: BrokerOrder, time_in_force: str) -> BrokerOrder:
    if order.filled_shares >= order.quantity_shares:
        return replace(order, status=OrderStatus.FILLED)
    if time_in_force in _GOOD_FOR_A_DAY:
        return replace(order, status=OrderStatus.EXPIRED)
    return order
