"""A small Alpaca: bodies in its shapes, computed from a table and served by the replay server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from tests.support.replay_server import Asked, ReplayServer, Reply
from tradegraph_dagster.adapters.alpaca.options import (
    DATA_HOST,
    TRADING_HOSTS,
    AlpacaOptions,
)
from tradegraph_dagster.domain.markets.book.us import MARKET

TRADING_HOST = TRADING_HOSTS["paper"]
BARS = "/v2/stocks/bars"
ACTIONS = "/v1/corporate-actions"
ASSETS = "/v2/assets"
CALENDAR = "/v2/calendar"
NEW_YORK = ZoneInfo("America/New_York")
KEYS = {"key_id": SecretStr("PKCANARY0001"), "secret_key": SecretStr("canary-secret-0001")}
QUICK: dict[str, Any] = {
    **KEYS,
    "requests_per_minute": 600_000.0,
    "retry_waits_s": [],
    "read_timeout_s": 20.0,
}
FIRST, LAST = date(2024, 1, 2), date(2024, 3, 15)
SESSIONS = MARKET.calendar.between(FIRST, LAST)


def make_bar(day: date, *, close: float = 100.0, volume: float = 1_000.0) -> dict[str, Any]:
    midnight = datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)
    return {
        "t": midnight.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "o": close - 1.0,
        "h": close + 2.0,
        "l": close - 2.0,
        "c": close,
        "v": volume,
        "n": 7,
        "vw": close - 0.5,
    }


def make_asset(symbol: str, **changes: Any) -> dict[str, Any]:
    asset = {
        "id": f"id-{symbol}",
        "class": "us_equity",
        "exchange": "NASDAQ",
        "symbol": symbol,
        "name": f"{symbol} Inc.",
        "status": "active",
        "tradable": True,
    }
    return {**asset, **changes}


@dataclass
class SmallAlpaca:
    """What the vendor has; tests change it, also while it is served.

    Attributes:
        assets: Answer of /v2/assets.
        bars: Symbol -> day -> bar.
        actions: Kind -> events.
        page_size: Rows a page; Alpaca's own is the `limit` asked for.
        bars_shown, actions_shown: Date of the answers.
    """

    assets: list[dict[str, Any]] = field(default_factory=list)
    bars: dict[str, dict[date, dict[str, Any]]] = field(default_factory=dict)
    actions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page_size: int = 50
    bars_shown: datetime = datetime(2024, 3, 16, 12, tzinfo=UTC)
    actions_shown: datetime = datetime(2024, 1, 2, 12, tzinfo=UTC)

    def list_symbol(self, symbol: str, days: Sequence[date], *, close: float = 100.0) -> None:
        """Add an active asset with a bar on each day."""
        self.assets.append(make_asset(symbol))
        self.bars[symbol] = {
            day: make_bar(day, close=close + position) for position, day in enumerate(days)
        }

    def answer_bars(self, asked: Asked) -> Reply:
        """/v2/stocks/bars with days or months."""
        rows = []
        until = _instant(asked.query.get("end"), self.bars_shown)
        start = _instant(asked.query["start"], self.bars_shown)
        for symbol in sorted(asked.query["symbols"].split(",")):
            days = self.bars.get(symbol, {})
            if asked.query["timeframe"] == "1Month":
                days = {day.replace(day=1): {**bar, "t": _month(day)} for day, bar in days.items()}
            rows += [
                (symbol, bar)
                for _, bar in sorted(days.items())
                if start <= datetime.fromisoformat(bar["t"]) <= until
            ]
        return self._page(asked, rows, "bars", self.bars_shown)

    def answer_actions(self, asked: Asked) -> Reply:
        """/v1/corporate-actions, found by the day they are processed."""
        first, last = asked.query["start"], asked.query["end"]
        rows = [
            (kind, event)
            for kind, events in sorted(self.actions.items())
            for event in events
            if first <= event["process_date"] <= last
        ]
        return self._page(asked, rows, "corporate_actions", self.actions_shown)

    def answer_assets(self, asked: Asked) -> Reply:
        """/v2/assets."""
        wanted = asked.query.get("status")
        body = [one for one in self.assets if wanted in (None, one["status"])]
        return _reply(body, self.bars_shown)

    def answer_calendar(self, asked: Asked) -> Reply:
        """/v2/calendar."""
        first, last = (date.fromisoformat(asked.query[name]) for name in ("start", "end"))
        body = [
            {"date": day.isoformat(), "open": "09:30", "close": "16:00"}
            for day in MARKET.calendar.between(first, last)
        ]
        return _reply(body, self.bars_shown)

    def _page(
        self, asked: Asked, rows: Sequence[tuple[str, Any]], key: str, shown: datetime
    ) -> Reply:
        first = int(asked.query.get("page_token", "0"))
        parts: dict[str, list[Any]] = {}
        for name, row in rows[first : first + self.page_size]:
            parts.setdefault(name, []).append(row)
        following = first + self.page_size
        token = str(following) if following < len(rows) else None
        return _reply({key: parts, "next_page_token": token}, shown)


@contextmanager
def serving(alpaca: SmallAlpaca) -> Iterator[ReplayServer]:
    """A loopback server that answers as this Alpaca and checks the keys, as the real one does."""
    with ReplayServer() as server:
        for host, path, answering in (
            (DATA_HOST, BARS, alpaca.answer_bars),
            (DATA_HOST, ACTIONS, alpaca.answer_actions),
            (TRADING_HOST, ASSETS, alpaca.answer_assets),
            (TRADING_HOST, CALENDAR, alpaca.answer_calendar),
        ):
            server.answer(host, path, _with_keys(answering))
        yield server


def make_options(server: ReplayServer, **changes: Any) -> AlpacaOptions:
    """Options that ask a server, without waits, for the three symbols of `make_alpaca`."""
    symbols = ["AAA", "BBB", "CCC"]
    values = {**QUICK, "symbols": symbols, "replay_url": server.url, **changes}
    return AlpacaOptions.model_validate(values)


def make_alpaca() -> SmallAlpaca:
    """AAA and BBB with a bar on every session from the first of 2024, CCC from February on."""
    alpaca = SmallAlpaca()
    for symbol, first in (("AAA", FIRST), ("BBB", FIRST), ("CCC", date(2024, 2, 1))):
        alpaca.list_symbol(symbol, [day for day in SESSIONS if day >= first])
    alpaca.actions = {"cash_dividends": [make_dividend("AAA", date(2024, 2, 7))]}
    return alpaca


def make_dividend(symbol: str, ex_date: date, rate: float = 0.25, **changes: Any) -> dict[str, Any]:
    event = {
        "id": f"dividend-{symbol}-{ex_date}",
        "symbol": symbol,
        "cusip": "CUSIP1",
        "rate": rate,
        "special": False,
        "foreign": False,
        "ex_date": ex_date.isoformat(),
        "process_date": (ex_date + timedelta(days=20)).isoformat(),
    }
    return {**event, **changes}


def _with_keys(answering: Callable[[Asked], Reply]) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        expected = (KEYS["key_id"].get_secret_value(), KEYS["secret_key"].get_secret_value())
        if (headers.get("apca-api-key-id"), headers.get("apca-api-secret-key")) != expected:
            return Reply(b'{"message": "forbidden."}', 403)
        return answering(asked)

    return answer


def _reply(body: Any, shown: datetime, headers: Mapping[str, str] | None = None) -> Reply:
    date_header = {"Date": format_datetime(shown, usegmt=True)}
    return Reply(json.dumps(body).encode(), headers={**date_header, **(headers or {})})


def _month(day: date) -> str:
    return str(make_bar(day.replace(day=1))["t"])


def _instant(text: str | None, otherwise: datetime) -> datetime:
    return otherwise if text is None else datetime.fromisoformat(text)
