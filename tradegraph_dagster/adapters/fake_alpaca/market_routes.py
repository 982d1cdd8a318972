"""The routes of the data API: bars and corporate actions, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradegraph_dagster.adapters.fake_alpaca.account import Account
from tradegraph_dagster.adapters.fake_alpaca.wire import (
    BAD_PARAMETER,
    Answer,
    Request,
    read_instant,
    refuse,
)

BARS = "/v2/stocks/bars"
ACTIONS = "/v1/corporate-actions"
USUAL_ROWS = 1_000
MOST_ROWS = 10_000
_FIRST, _LAST = "1970-01-01", "2100-01-01"


def answer_data(account: Account, request: Request) -> Answer | None:
    """What a route of the data API answers; None where the path is none of them."""
    if request.method != "GET" or request.path not in (BARS, ACTIONS):
        return None
    limit = request.query.get("limit", str(USUAL_ROWS))
    token = request.query.get("page_token", "0")
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST_ROWS or not token.isdecimal():
        return refuse(400, BAD_PARAMETER, "invalid limit or page_token")
    rows = _bars(account, request) if request.path == BARS else _actions(account, request)
    if isinstance(rows, Answer):
        return rows
    if request.query.get("sort") == "desc":
        rows = rows[::-1]
    key = "bars" if request.path == BARS else "corporate_actions"
    return _page(rows, key, int(token), int(limit))


def _bars(account: Account, request: Request) -> Sequence[tuple[str, Any]] | Answer:
    query = request.query
    symbols = [symbol for symbol in query.get("symbols", "").split(",") if symbol]
    if not symbols:
        return refuse(400, BAD_PARAMETER, "symbols is required")
    if query.get("adjustment", "raw") != "raw":
        return refuse(400, BAD_PARAMETER, "only raw bars are served locally")
    start = read_instant(query.get("start", _FIRST))
    until = read_instant(query["end"], end_of_day=True) if "end" in query else account.now
    if start is None or until is None:
        return refuse(400, BAD_PARAMETER, "invalid start or end")
    # A bar is there once its day has begun, and the account's future is not known to anybody.
    until = min(until, account.now)
    if query.get("timeframe") in ("1Day", "1D"):
        return account.market.days(symbols, start, until)
    if query.get("timeframe") in ("1Month", "1M"):
        return account.market.months(symbols, start, until)
    return refuse(400, BAD_PARAMETER, f"invalid timeframe: {query.get('timeframe')!r}")


def _actions(account: Account, request: Request) -> Sequence[tuple[str, Any]]:
    """Events by the day they are processed, which is what `start` and `end` mean there."""
    query = request.query
    symbols = set(filter(None, query.get("symbols", "").split(",")))
    kinds = {f"{kind}s" for kind in query.get("types", "").split(",") if kind}
    ids = set(filter(None, query.get("ids", "").split(",")))
    return [
        (kind, event)
        for kind, events in sorted(account.market.actions.items())
        for event in events
        if (not kinds or kind in kinds)
        and (not ids or event.get("id") in ids)
        and (not symbols or symbols & _named(event))
        and query.get("start", _FIRST) <= event["process_date"] <= query.get("end", _LAST)
    ]


def _named(event: dict[str, Any]) -> set[str]:
    return {str(value) for name, value in event.items() if name.endswith("symbol")}


def _page(rows: Sequence[tuple[str, Any]], key: str, start: int, limit: int) -> Answer:
    grouped: dict[str, list[Any]] = {}
    for name, row in rows[start : start + limit]:
        grouped.setdefault(name, []).append(row)
    end = start + limit
    return Answer(200, {key: grouped, "next_page_token": str(end) if end < len(rows) else None})
