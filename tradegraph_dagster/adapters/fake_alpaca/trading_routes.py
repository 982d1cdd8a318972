"""The routes of the trading API: orders, positions, account, activities, clock, assets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca import changes, entry
from tradegraph_dagster.adapters.fake_alpaca.account import Account, make_asset
from tradegraph_dagster.adapters.fake_alpaca.hours import CALENDAR, calendar_rows, clock_row
from tradegraph_dagster.adapters.fake_alpaca.matching import bust
from tradegraph_dagster.adapters.fake_alpaca.records import Activity, Order, asset_id
from tradegraph_dagster.adapters.fake_alpaca.valuation import account_row, position_row
from tradegraph_dagster.adapters.fake_alpaca.wire import (
    BAD_PARAMETER,
    NOT_FOUND,
    Answer,
    Request,
    new_york_text,
    read_instant,
    refuse,
)

MOST_ORDERS = 500
USUAL_ORDERS = 50
USUAL_ACTIVITIES = 100
Route = Callable[[Account, Request, str], Answer]


def answer_trading(account: Account, request: Request) -> Answer:
    """What a route of the trading API answers; the account is held and up to date."""
    for method, pattern, route in _ROUTES:
        found = pattern.fullmatch(request.path)
        if found is not None and method == request.method:
            return route(account, request, found.group(1) if pattern.groups else "")
    return refuse(404, NOT_FOUND, f"endpoint not found: {request.method} {request.path}")


def _post_order(account: Account, request: Request, _: str) -> Answer:
    if request.fields is None:
        return refuse(400, BAD_PARAMETER, "request body format is invalid")
    return entry.place(account, request.fields)


def _get_orders(account: Account, request: Request, _: str) -> Answer:
    query = request.query
    limit = _read_count(query.get("limit"), USUAL_ORDERS)
    if limit is None or limit > MOST_ORDERS:
        return refuse(422, BAD_PARAMETER, f"limit must be between 1 and {MOST_ORDERS}")
    status = query.get("status", "open")
    if status not in ("open", "closed", "all"):
        return refuse(422, BAD_PARAMETER, f"invalid status: {status!r}")
    bounds = {name: read_instant(query[name]) for name in ("after", "until") if name in query}
    if None in bounds.values():
        return refuse(422, BAD_PARAMETER, "after and until must be RFC 3339 instants")
    pool = account.open_orders() if status == "open" else list(account.orders.values())
    pool.sort(key=lambda one: one.seq, reverse=query.get("direction", "desc") == "desc")
    symbols = set(filter(None, query.get("symbols", "").split(",")))
    chosen = (
        order
        for order in pool
        if (status != "closed" or not order.is_open)
        and (not symbols or order.symbol in symbols)
        and query.get("side", order.side) in (order.side, "")
        and order.submitted_at > (bounds.get("after") or -1)
        and order.submitted_at <= (bounds.get("until") or order.submitted_at)
        and _is_between(account, order, query)
        and _is_visible(account, order)
    )
    return Answer(200, [order.to_wire() for order in islice(chosen, limit)])


def _get_order(account: Account, request: Request, identity: str) -> Answer:
    order = account.orders.get(identity)
    if order is None or not _is_visible(account, order):
        return refuse(404, NOT_FOUND, f"order not found for {identity}")
    return Answer(200, order.to_wire())


def _get_order_by_client_id(account: Account, request: Request, _: str) -> Answer:
    order = account.by_client_id(request.client_order_id)
    if order is None or not _is_visible(account, order):
        return refuse(404, NOT_FOUND, f"order not found for {request.client_order_id}")
    return Answer(200, order.to_wire())


def _patch_order(account: Account, request: Request, identity: str) -> Answer:
    order = account.orders.get(identity)
    if order is None:
        return refuse(404, NOT_FOUND, f"order not found for {identity}")
    if request.fields is None:
        return refuse(400, BAD_PARAMETER, "request body format is invalid")
    return changes.replace_order(account, order, request.fields)


def _delete_order(account: Account, request: Request, identity: str) -> Answer:
    order = account.orders.get(identity)
    if order is None:
        return refuse(404, NOT_FOUND, f"order not found for {identity}")
    return changes.cancel(account, order)


def _delete_orders(account: Account, request: Request, _: str) -> Answer:
    return changes.cancel_all(account)


def _get_positions(account: Account, request: Request, _: str) -> Answer:
    held = sorted(account.state.positions.values(), key=lambda one: one.symbol)
    return Answer(200, [position_row(account, one) for one in held])


def _get_position(account: Account, request: Request, name: str) -> Answer:
    held = account.state.positions.get(_symbol(account, name))
    if held is None:
        return refuse(404, NOT_FOUND, "position does not exist")
    return Answer(200, position_row(account, held))


def _delete_position(account: Account, request: Request, name: str) -> Answer:
    return changes.close_position(account, _symbol(account, name), request.query)


def _delete_positions(account: Account, request: Request, _: str) -> Answer:
    return changes.close_all(account, request.query)


def _get_account(account: Account, request: Request, _: str) -> Answer:
    return Answer(200, account_row(account))


def _get_activities(account: Account, request: Request, kind: str) -> Answer:
    query = request.query
    size = _read_count(query.get("page_size"), USUAL_ACTIVITIES)
    if size is None or size > USUAL_ACTIVITIES:
        return refuse(422, BAD_PARAMETER, f"page_size must be between 1 and {USUAL_ACTIVITIES}")
    if "date" in query and ("after" in query or "until" in query):
        return refuse(422, BAD_PARAMETER, "date cannot be combined with after or until")
    bounds = {name: read_instant(query[name]) for name in ("after", "until") if name in query}
    if "date" in query:
        day = query["date"]
        bounds = {"after": read_instant(day), "until": read_instant(day, end_of_day=True)}
    if None in bounds.values():
        return refuse(422, BAD_PARAMETER, "after, until and date must be instants or dates")
    kinds = set(filter(None, (kind or query.get("activity_types", "")).split(",")))
    chosen = [
        activity
        for activity in account.activities
        if (not kinds or activity.body["activity_type"] in kinds)
        and activity.at >= (bounds.get("after") or 0)
        and activity.at <= (bounds.get("until") or activity.at)
        and _is_shown(account, activity)
    ]
    if query.get("direction", "desc") == "desc":
        chosen.reverse()
    page = _activity_page(chosen, size, query.get("page_token"))
    if page is None:
        return refuse(422, BAD_PARAMETER, "page_token is not the id of an activity")
    rows = [row for one in page for row in [one.body] * (2 if one.shown_twice else 1)]
    for activity in [one for one in page if one.bust_when_shown]:
        activity.bust_when_shown = False
        account.save_activity(activity)
        bust(account, activity)
    return Answer(200, rows)


def _get_clock(account: Account, request: Request, _: str) -> Answer:
    return Answer(200, {"timestamp": new_york_text(account.now), **clock_row(account.now)})


def _get_calendar(account: Account, request: Request, _: str) -> Answer:
    try:
        first = date.fromisoformat(request.query.get("start", CALENDAR.sessions[0].isoformat()))
        last = date.fromisoformat(request.query.get("end", CALENDAR.sessions[-1].isoformat()))
    except ValueError:
        return refuse(422, BAD_PARAMETER, "start and end must be dates")
    return Answer(200, calendar_rows(first, last))


def _get_assets(account: Account, request: Request, _: str) -> Answer:
    rows = list(account.state.assets.values())
    if not rows:
        named = account.market.symbols | set(account.state.quotes) | set(account.state.positions)
        rows = [make_asset(symbol) for symbol in sorted(named)]
    wanted = {
        "status": request.query.get("status"),
        "class": request.query.get("asset_class"),
        "exchange": request.query.get("exchange"),
    }
    return Answer(
        200,
        [row for row in rows if all(value in (None, row[name]) for name, value in wanted.items())],
    )


def _get_asset(account: Account, request: Request, name: str) -> Answer:
    asset = account.asset(name)
    if asset is None:
        return refuse(404, NOT_FOUND, f"asset not found for {name}")
    return Answer(200, asset)


def _symbol(account: Account, name: str) -> str:
    """The symbol that is meant by a symbol or an asset id."""
    held = {asset_id(symbol): symbol for symbol in account.state.positions}
    return held.get(name, name)


def _is_visible(account: Account, order: Order) -> bool:
    """Whether a look-up finds the order yet."""
    if order.hidden_calls > 0:
        order.hidden_calls -= 1
        account.save(order)
        return False
    return order.hidden_until <= account.now


def _is_shown(account: Account, activity: Activity) -> bool:
    """Whether a list has the activity yet."""
    if activity.hidden_calls > 0:
        activity.hidden_calls -= 1
        account.save_activity(activity)
        return False
    return activity.hidden_calls == 0


def _is_between(account: Account, order: Order, query: Mapping[str, str]) -> bool:
    """Whether the order came in after one and before another, where the question names them."""
    after = account.orders.get(query.get("after_order_id", ""))
    before = account.orders.get(query.get("before_order_id", ""))
    return (after is None or order.seq > after.seq) and (before is None or order.seq < before.seq)


def _activity_page(
    rows: Sequence[Activity], size: int, token: str | None
) -> Sequence[Activity] | None:
    if token is None:
        return rows[:size]
    ids = [row.body["id"] for row in rows]
    if token not in ids:
        return None
    start = ids.index(token) + 1
    return rows[start : start + size]


def _read_count(text: str | None, usual: int) -> int | None:
    if text is None:
        return usual
    return int(text) if text.isdecimal() and int(text) > 0 else None


_TABLE: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v2/orders", _post_order),
    ("GET", "/v2/orders", _get_orders),
    ("DELETE", "/v2/orders", _delete_orders),
    ("GET", "/v2/orders:by_client_order_id", _get_order_by_client_id),
    ("GET", "/v2/orders/([^/]+)", _get_order),
    ("PATCH", "/v2/orders/([^/]+)", _patch_order),
    ("DELETE", "/v2/orders/([^/]+)", _delete_order),
    ("GET", "/v2/positions", _get_positions),
    ("DELETE", "/v2/positions", _delete_positions),
    ("GET", "/v2/positions/(.+)", _get_position),
    ("DELETE", "/v2/positions/(.+)", _delete_position),
    ("GET", "/v2/account", _get_account),
    ("GET", "/v2/account/activities", _get_activities),
    ("GET", "/v2/account/activities/([A-Z]+)", _get_activities),
    ("GET", "/v2/clock", _get_clock),
    ("GET", "/v2/calendar", _get_calendar),
    ("GET", "/v2/assets", _get_assets),
    ("GET", "/v2/assets/(.+)", _get_asset),
)
_ROUTES: tuple[tuple[str, re.Pattern[str], Route], ...] = tuple(
    (method, re.compile(pattern), route) for method, pattern, route in _TABLE
)
