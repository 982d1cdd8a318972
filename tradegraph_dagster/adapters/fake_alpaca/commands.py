"""What a test or a person may do to an account behind the API, by name, with JSON in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from tradegraph_dagster.adapters.fake_alpaca import changes, entry, matching
from tradegraph_dagster.adapters.fake_alpaca.account import Account, make_asset
from tradegraph_dagster.adapters.fake_alpaca.fault_rules import DeliveryFault, FaultRule, Surprise
from tradegraph_dagster.adapters.fake_alpaca.hours import day_of
from tradegraph_dagster.adapters.fake_alpaca.market_frames import MarketFrames
from tradegraph_dagster.adapters.fake_alpaca.records import ZERO, Activity, Order, Quote, Settings
from tradegraph_dagster.adapters.fake_alpaca.session_turns import roll
from tradegraph_dagster.adapters.fake_alpaca.valuation import account_row
from tradegraph_dagster.adapters.fake_alpaca.walk import walk
from tradegraph_dagster.adapters.fake_alpaca.wire import amount_text, to_ns
from tradegraph_dagster.domain.core.errors import ConfigError

Command = Callable[[Account, Mapping[str, Any]], Any]


def run_command(account: Account, name: str, args: Mapping[str, Any]) -> Any:
    """Do one thing to an account that is held.

    Raises:
        ConfigError: No such command, or it cannot be done with these arguments.
    """
    if name not in COMMANDS:
        raise ConfigError(f"/_local/{name}: allowed: {', '.join(sorted(COMMANDS))}")
    try:
        return COMMANDS[name](account, args)
    except (LookupError, ValueError, ArithmeticError) as error:
        raise ConfigError(f"/_local/{name}: cannot be done with {dict(args)}: {error}") from error


def _set_clock(account: Account, args: Mapping[str, Any]) -> None:
    """Stop the clock at `now`, or let it follow the server's again; sessions in between turn.

    Set back, it forgets how late it was: what follows is stamped by the new time.
    """
    now = args.get("now")
    account.state.clock = None if now is None else to_ns(datetime.fromisoformat(now))
    account.state.newest = min(account.state.newest, account.now)
    roll(account)


def _turn(account: Account, args: Mapping[str, Any]) -> None:
    """Set the clock to the `open`, `close` or `evening` of a session."""
    day = day_of(date.fromisoformat(args["session"]))
    marks = {"open": day.opens, "close": day.closes, "evening": day.evening}
    account.state.clock = marks[args["turn"]]
    roll(account)


def _configure(account: Account, args: Mapping[str, Any]) -> None:
    merged = {**account.state.settings.model_dump(), **args}
    account.state.settings = Settings.model_validate(merged)


def _set_quotes(account: Account, args: Mapping[str, Any]) -> None:
    for symbol, quote in args["quotes"].items():
        account.state.quotes[symbol] = Quote.model_validate(quote)
    matching.match(account)


def _set_bars(account: Account, args: Mapping[str, Any]) -> None:
    """Give the account bars and actions of its own."""
    bars = pl.DataFrame(args["bars"], infer_schema_length=None) if args.get("bars") else None
    if bars is not None and bars.schema["session"] == pl.String:
        bars = bars.with_columns(pl.col("session").str.to_date())
    account.market = MarketFrames(bars, args.get("actions"))


def _set_assets(account: Account, args: Mapping[str, Any]) -> None:
    rows = [make_asset(row["symbol"]) | dict(row) for row in args["assets"]]
    account.state.assets = {row["symbol"]: row for row in rows}


def _script(account: Account, args: Mapping[str, Any]) -> None:
    account.state.rules += [FaultRule.model_validate(rule) for rule in args.get("rules", ())]
    account.state.deliveries += [
        DeliveryFault.model_validate(one) for one in args.get("deliveries", ())
    ]
    account.state.surprises += [Surprise.model_validate(one) for one in args.get("surprises", ())]


def _heal(account: Account, args: Mapping[str, Any]) -> None:
    account.state.rules, account.state.deliveries, account.state.surprises = [], [], []


def _fill(account: Account, args: Mapping[str, Any]) -> dict[str, Any]:
    """Execute shares of an order at a price, in whatever state it is."""
    order = _order(account, args)
    price = Decimal(args["price"])
    shares = Decimal(args["qty"]) if args.get("qty") is not None else order.leaves(price)
    return matching.execute(account, order, shares, price).body


def _bust(account: Account, args: Mapping[str, Any]) -> dict[str, Any]:
    """Bust the execution of an activity id, or the newest one."""
    fills = [one for one in account.activities if one.body.get("type") in ("fill", "partial_fill")]
    wanted = args.get("activity_id") or fills[-1].body["id"]
    found = [one for one in fills if one.body["id"] == wanted]
    return matching.bust(account, found[0]).body


def _place(account: Account, args: Mapping[str, Any]) -> dict[str, Any]:
    """An order that the client did not send; answers status and body."""
    answer = entry.place(account, args, source="local")
    return {"status": answer.status, "body": answer.body}


def _settle(account: Account, args: Mapping[str, Any]) -> None:
    """Let cancels and replacements through that were held."""
    for order in account.open_orders():
        if order.status == "pending_cancel":
            changes.finish_cancel(account, order)
    for order in list(account.orders.values()):
        new = account.orders.get(order.replaced_by or "")
        if new is not None and new.status == "pending_new":
            changes.finish_replace(account, order)


def _set_order(account: Account, args: Mapping[str, Any]) -> dict[str, Any]:
    """Move an order to a status that nothing else brings about, such as rejected or suspended."""
    order = _order(account, args)
    order.status, order.updated_at = args["status"], account.stamp()
    if order.status == "rejected":
        order.failed_at = order.updated_at
    account.save(order)
    account.announce(args.get("event", order.status), order)
    return order.to_wire()


def _add_activity(account: Account, args: Mapping[str, Any]) -> dict[str, Any]:
    """A dividend, fee or journal: `kind`, and its `net_amount`, which changes the cash."""
    body = {name: value for name, value in args.items() if name != "kind"}
    account.state.cash += Decimal(body.get("net_amount", "0"))
    return matching.add_activity(account, args["kind"], body).body


def _split(account: Account, args: Mapping[str, Any]) -> dict[str, Any]:
    """Split a holding: `new_rate` shares for `old_rate`."""
    held = account.state.positions[args["symbol"]]
    ratio = Decimal(args["new_rate"]) / Decimal(args["old_rate"])
    before = held.qty
    held.qty, held.average = held.qty * ratio, held.average / ratio
    held.lots = [(shares * ratio, price / ratio) for shares, price in held.lots]
    added = amount_text(held.qty - before)
    body = {"symbol": held.symbol, "qty": added, "net_amount": "0"}
    return matching.add_activity(account, "SPLIT", body).body


def _set_holding(account: Account, args: Mapping[str, Any]) -> None:
    """Shares and cash out of nowhere: what the client's own books cannot explain."""
    if args.get("cash") is not None:
        account.state.cash = Decimal(args["cash"])
    if args.get("symbol"):
        now = account.state.positions.get(args["symbol"])
        price, cash = Decimal(args.get("price", "100")), account.state.cash
        change = Decimal(args["qty"]) - (now.qty if now is not None else ZERO)
        if change:
            matching.book_trade(account, args["symbol"], change, price)
        account.state.cash = cash


def _release(account: Account, args: Mapping[str, Any]) -> int:
    """Show every event and activity that was held back; how many."""
    held = [one for one in account.activities if one.hidden_calls]
    for activity in held:
        activity.hidden_calls = 0
        account.save_activity(activity)
    return len(held) + account.release_events()


def _book(account: Account, args: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in the book, for counting."""
    calls = account.calls.rows()
    counts: dict[str, int] = {}
    for call in calls:
        key = f"{call['method']} {call['path']}"
        counts[key] = counts.get(key, 0) + 1
    orders = sorted(account.orders.values(), key=lambda one: one.seq)
    return {
        "now": account.now,
        "account": account_row(account),
        "orders": [{**one.to_wire(), "seq": one.seq, "source": one.source} for one in orders],
        "activities": [one.body for one in account.activities],
        "fills": [one.body for one in account.activities if _is_trade(one)],
        "positions": {name: str(one.qty) for name, one in account.state.positions.items()},
        "cash": str(account.state.cash),
        "requests": calls,
        "request_counts": counts,
        "events": list(account.events),
        "unspent": len(account.state.rules)
        + len(account.state.deliveries)
        + len(account.state.surprises),
    }


def _now(account: Account, args: Mapping[str, Any]) -> int:
    return account.now


def _is_trade(activity: Activity) -> bool:
    return bool(activity.body["activity_type"] == "FILL")


def _order(account: Account, args: Mapping[str, Any]) -> Order:
    if args.get("id"):
        return account.orders[args["id"]]
    return account.orders[account.ids[args["client_order_id"]]]


COMMANDS: Mapping[str, Command] = {
    "set_clock": _set_clock,
    "turn": _turn,
    "configure": _configure,
    "set_quotes": _set_quotes,
    "set_bars": _set_bars,
    "set_assets": _set_assets,
    "script": _script,
    "heal": _heal,
    "fill": _fill,
    "bust": _bust,
    "place": _place,
    "settle": _settle,
    "set_order": _set_order,
    "add_activity": _add_activity,
    "split": _split,
    "set_holding": _set_holding,
    "release": _release,
    "book": _book,
    "now": _now,
    "walk": walk,
}
