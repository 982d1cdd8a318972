"""Executions: which orders meet their quote, and what a trade does to the book."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.hours import phase_at
from tradegraph_dagster.adapters.fake_alpaca.records import (
    ENDED,
    ZERO,
    Activity,
    Order,
    Position,
    Quote,
)
from tradegraph_dagster.adapters.fake_alpaca.wire import (
    MICROSECOND,
    NEW_YORK,
    amount_text,
    instant_text,
    to_datetime,
)

MATCHABLE = frozenset({"new", "partially_filled", "pending_cancel", "pending_replace"})


def match(account: Account, *orders: Order, auction: str = "") -> None:
    """Fill what meets its quote, once over.

    Args:
        account: Whose.
        orders: These only; all that are open when none is named.
        auction: `opg` or `cls` while the orders for that auction may fill.
    """
    if not account.state.settings.fills:
        return
    for order in orders or account.open_orders():
        quote = account.state.quotes.get(order.symbol)
        if (
            quote is None
            or order.status not in MATCHABLE
            or not _may_trade(account, order, auction)
        ):
            continue
        price = quote.ask if order.side == "buy" else quote.bid
        if not _meets(order, price) or not _may_trade(account, order, auction):
            continue
        shares = _shares(account, order, price, quote)
        if order.time_in_force == "fok" and shares < order.leaves(price):
            continue
        if shares > 0:
            if quote.size is not None:
                quote.size -= shares
            execute(account, order, shares, price)


def execute(account: Account, order: Order, shares: Decimal, price: Decimal) -> Activity:
    """Book one execution, in whatever state the order is; a fact is a fact."""
    shares += _too_many(account, order, shares, price)
    order.updated_at = account.stamp()
    order.filled_qty += shares
    order.filled_value += shares * price
    is_whole = order.leaves(price) <= 0
    if order.status not in ENDED:
        if is_whole:
            order.status = "filled"
        elif order.status not in ("pending_cancel", "pending_replace"):
            order.status = "partially_filled"
    if is_whole:
        order.filled_at = order.updated_at
    account.save(order)
    signed = shares if order.side == "buy" else -shares
    held = book_trade(account, order.symbol, signed, price)
    execution_id = account.new_id()
    activity = _record(account, order, "FILL", execution_id)
    activity.body |= {
        "type": "fill" if is_whole else "partial_fill",
        "price": amount_text(price),
        "qty": amount_text(shares),
        "leaves_qty": amount_text(order.leaves(price)),
    }
    activity.bust_when_shown = take_surprise(account, "bust") is not None
    account.save_activity(activity)
    account.announce(
        "fill" if is_whole else "partial_fill",
        order,
        execution_id=execution_id,
        price=amount_text(price),
        qty=amount_text(shares),
        position_qty=amount_text(held.qty),
    )
    return activity


def bust(account: Account, activity: Activity) -> Activity:
    """Undo an execution by a record of its own; nothing is taken out.

    How the trading API shows a bust is not documented. Here it is a FILL activity of the type
    `trade_bust` that names the busted one in `previous_id`, and the same event on the stream.
    """
    order = account.orders[activity.body["order_id"]]
    shares, price = Decimal(activity.body["qty"]), Decimal(activity.body["price"])
    order.updated_at = account.stamp()
    order.filled_qty -= shares
    order.filled_value -= shares * price
    account.save(order)
    signed = -shares if order.side == "buy" else shares
    held = book_trade(account, order.symbol, signed, price)
    execution_id = account.new_id()
    record = _record(account, order, "FILL", execution_id)
    record.body |= {
        "type": "trade_bust",
        "price": activity.body["price"],
        "qty": activity.body["qty"],
        "leaves_qty": amount_text(order.leaves(price)),
        "previous_id": activity.body["id"],
    }
    account.save_activity(record)
    account.announce(
        "trade_bust",
        order,
        execution_id=execution_id,
        previous_execution_id=activity.body["id"].split("::")[1],
        price=activity.body["price"],
        qty=activity.body["qty"],
        position_qty=amount_text(held.qty),
    )
    return record


def add_activity(account: Account, kind: str, body: dict[str, Any]) -> Activity:
    """Record something of the account that is no trade, such as a dividend or a fee."""
    at = account.stamp()
    activity = Activity(seq=len(account.activities), at=at, body={})
    activity.body = {
        "id": _activity_id(at, account.new_id()),
        "account_id": account.state.account_id,
        "activity_type": kind,
        "date": to_datetime(at).astimezone(NEW_YORK).date().isoformat(),
        "status": "executed",
        **body,
    }
    _deliver(account, activity)
    account.save_activity(activity)
    return activity


def book_trade(account: Account, symbol: str, shares: Decimal, price: Decimal) -> Position:
    """Change a holding and the cash; `shares` is negative for a sale."""
    positions = account.state.positions
    held = positions.setdefault(symbol, Position(symbol=symbol))
    account.state.cash -= shares * price
    before = held.qty
    held.qty += shares
    if before * shares >= 0:
        held.average = (held.average * abs(before) + price * abs(shares)) / abs(held.qty)
    elif held.qty * before < 0:
        held.average = price
    rest = shares
    while held.lots and rest and held.lots[0][0] * rest < 0:
        lot, cost = held.lots.pop(0)
        if abs(lot) > abs(rest):
            held.lots.insert(0, (lot + rest, cost))
            rest = ZERO
        else:
            rest += lot
    if rest:
        held.lots.append((rest, price))
    if not held.qty:
        held.average, held.lots = ZERO, []
        del positions[symbol]
    return held


def take_surprise(account: Account, kind: str) -> int | None:
    """The shares of the next scripted surprise of a kind, which is then used up."""
    for surprise in account.state.surprises:
        if surprise.kind == kind:
            account.state.surprises.remove(surprise)
            return surprise.shares
    return None


def _may_trade(account: Account, order: Order, auction: str) -> bool:
    if order.time_in_force in ("opg", "cls"):
        return order.time_in_force == auction
    phase = phase_at(account.now)
    is_auction = auction in ("opg", "cls")
    return is_auction or phase == "regular" or (order.extended_hours and phase != "closed")


def _meets(order: Order, price: Decimal) -> bool:
    """Whether the order would trade at a price; a stop that is reached stays triggered."""
    is_buy = order.side == "buy"
    if order.stop_price is not None and not order.filled_qty:
        is_reached = price >= order.stop_price if is_buy else price <= order.stop_price
        if not is_reached:
            return False
    if order.limit_price is None:
        return True
    return price <= order.limit_price if is_buy else price >= order.limit_price


def _shares(account: Account, order: Order, price: Decimal, quote: Quote) -> Decimal:
    shares = order.leaves(price)
    chance = account.chance("partial", order.client_order_id, order.filled_qty)
    if shares > 1 and chance.random() < account.state.settings.partial_rate:
        shares = Decimal(chance.randint(1, int(shares) - 1 or 1))
    return shares if quote.size is None else min(shares, quote.size)


def _too_many(account: Account, order: Order, shares: Decimal, price: Decimal) -> Decimal:
    if order.leaves(price) > shares:
        return ZERO
    return Decimal(take_surprise(account, "overfill") or 0)


def _record(account: Account, order: Order, kind: str, execution_id: str) -> Activity:
    at = order.updated_at
    activity = Activity(seq=len(account.activities), at=at, body={})
    activity.body = {
        "id": _activity_id(at, execution_id),
        "account_id": account.state.account_id,
        "activity_type": kind,
        "transaction_time": instant_text(at),
        "side": order.side,
        "symbol": order.symbol,
        "order_id": order.id,
        "cum_qty": amount_text(order.filled_qty),
        "order_status": order.status,
    }
    _deliver(account, activity)
    return activity


def _activity_id(at: int, identity: str) -> str:
    local = to_datetime(at).astimezone(NEW_YORK)
    return f"{local:%Y%m%d%H%M%S}{at // (1000 * MICROSECOND) % 1000:03d}::{identity}"


def _deliver(account: Account, activity: Activity) -> None:
    """Let the script decide how the activity is shown."""
    deliveries = account.state.deliveries
    kind = activity.body["activity_type"]
    for fault in [one for one in deliveries if one.meets("activities", kind)]:
        deliveries.remove(fault)
        activity.shown_twice = activity.shown_twice or fault.kind == "duplicate"
        if fault.kind in ("late", "lost", "swap"):
            activity.hidden_calls = -1 if fault.kind == "lost" else fault.calls
