"""Canceling, replacing and closing: what happens to orders that are already in the book."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.entry import (
    Ask,
    check_client_id,
    check_price,
    enter,
    make_order,
    place,
)
from tradegraph_dagster.adapters.fake_alpaca.matching import execute, take_surprise
from tradegraph_dagster.adapters.fake_alpaca.records import Order
from tradegraph_dagster.adapters.fake_alpaca.session_turns import end_order, set_status
from tradegraph_dagster.adapters.fake_alpaca.valuation import (
    available,
    buying_power,
    order_cost,
)
from tradegraph_dagster.adapters.fake_alpaca.wire import (
    BAD_PARAMETER,
    FORBIDDEN,
    NOT_FOUND,
    UNPROCESSABLE,
    Answer,
    amount_text,
    read_amount,
    refuse,
)

_FIXED = ("pending_cancel", "pending_replace")


def cancel(account: Account, order: Order) -> Answer:
    """DELETE /v2/orders/{id}: accepted for cancelation, which is not canceled."""
    if not order.is_open or order.status in _FIXED:
        return _refuse_status(order)
    set_status(account, order, "pending_cancel")
    if not account.state.settings.hold_cancels:
        finish_cancel(account, order)
    return Answer(204)


def finish_cancel(account: Account, order: Order) -> None:
    """A cancel that waits comes through; a scripted late fill follows it."""
    end_order(account, order, "canceled")
    shares = take_surprise(account, "late_fill")
    if shares is not None:
        price = account.price(order.symbol) or order.limit_price or Decimal(100)
        left = order.leaves(price)
        execute(account, order, min(left, Decimal(shares)) if shares else left, price)


def cancel_all(account: Account) -> Answer:
    """DELETE /v2/orders."""
    rows = [_outcome(order, cancel(account, order)) for order in account.open_orders()]
    return Answer(207, rows)


def replace_order(account: Account, order: Order, fields: Mapping[str, Any]) -> Answer:
    """PATCH /v2/orders/{id}: a new order takes the place of what is left of the old one.

    The `qty` asked for counts the shares that the old order has filled; the vendor does not say,
    and FIX means it so.
    """
    if not order.is_open or order.status in _FIXED or order.status == "accepted":
        return _refuse_status(order)
    ask = _changed(order, fields)
    if isinstance(ask, Answer):
        return ask
    refusal = check_price(ask.limit_price, "limit_price") or check_price(
        ask.stop_price, "stop_price"
    )
    if refusal is None and ask.client_order_id:
        refusal = check_client_id(account, ask.client_order_id)
    if refusal is not None:
        return refusal
    new = make_order(account, ask, order.source, replaces=order.id)
    new.position_intent = order.position_intent
    cost = order_cost(account, new) - order_cost(account, order)
    if cost > buying_power(account):
        return refuse(403, FORBIDDEN, "insufficient buying power", cost_basis=amount_text(cost))
    order.replaced_by = new.id
    set_status(account, order, "pending_replace")
    if account.state.settings.hold_replaces:
        new.status = "pending_new"
        account.save(new)
        return Answer(200, new.to_wire())
    _end_replaced(account, order)
    return enter(account, new)


def finish_replace(account: Account, order: Order) -> None:
    """A replacement comes through, or is rejected where the old order has ended meanwhile."""
    new = account.orders[order.replaced_by or ""]
    if order.status == "pending_replace":
        _end_replaced(account, order)
        enter(account, new)
        return
    order.replaced_by = None
    account.save(order)
    new.status, new.failed_at = "rejected", account.stamp()
    new.updated_at = new.failed_at
    account.save(new)
    account.announce("order_replace_rejected", order)


def close_position(account: Account, symbol: str, query: Mapping[str, str]) -> Answer:
    """DELETE /v2/positions/{symbol}: a market order for all of it, or a number, or a percentage."""
    held = account.state.positions.get(symbol)
    if held is None:
        return refuse(404, NOT_FOUND, "position does not exist")
    quantity = abs(held.qty)
    if "percentage" in query:
        share = read_amount(query["percentage"])
        quantity = round(quantity * share / 100, 9) if share is not None else Decimal(0)
    elif "qty" in query:
        quantity = read_amount(query["qty"]) or Decimal(0)
    fields = {
        "symbol": symbol,
        "qty": str(quantity),
        "side": "sell" if held.qty > 0 else "buy",
        "type": "market",
        "time_in_force": "day",
    }
    return place(account, fields)


def close_all(account: Account, query: Mapping[str, str]) -> Answer:
    """DELETE /v2/positions, canceling open orders first where that was asked for."""
    if query.get("cancel_orders", "").lower() == "true":
        cancel_all(account)
    rows = []
    for symbol in sorted(account.state.positions):
        left = available(account, symbol)
        asked = {"qty": str(left)} if left else {}
        done = close_position(account, symbol, asked)
        rows.append({"symbol": symbol, "status": done.status, "body": done.body})
    return Answer(207, rows)


def _changed(order: Order, fields: Mapping[str, Any]) -> Ask | Answer:
    """The request of the order that takes the place of another one."""
    amounts = {
        "qty": order.qty,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
    }
    for name in amounts:
        if fields.get(name) is not None:
            amounts[name] = amount = read_amount(fields[name])
            if amount is None or amount <= 0:
                return refuse(422, BAD_PARAMETER, f"{name} must be a number > 0")
    quantity = amounts.pop("qty")
    if quantity is not None and quantity <= order.filled_qty:
        return refuse(422, UNPROCESSABLE, "qty must be greater than filled_qty")
    return Ask(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        time_in_force=str(fields.get("time_in_force") or order.time_in_force),
        qty=None if quantity is None else quantity - order.filled_qty,
        notional=order.notional,
        extended_hours=order.extended_hours,
        client_order_id=str(fields.get("client_order_id") or ""),
        **amounts,
    )


def _end_replaced(account: Account, order: Order) -> None:
    order.status = "replaced"
    order.replaced_at = order.updated_at = account.stamp()
    account.save(order)
    account.announce("replaced", order)


def _refuse_status(order: Order) -> Answer:
    return refuse(422, UNPROCESSABLE, f'order is already in "{order.status}" state')


def _outcome(order: Order, answer: Answer) -> dict[str, Any]:
    is_done = answer.status == 204
    row: dict[str, Any] = {"id": order.id, "status": 200 if is_done else answer.status}
    return row if is_done else {**row, "body": answer.body}
