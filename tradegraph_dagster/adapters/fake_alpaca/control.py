"""An account's handle for tests: what the API does not do, in this process or over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tradegraph_dagster.domain.core.errors import ConfigError

Performing = Callable[[str, str, Mapping[str, Any]], Any]
TIMEOUT_S = 120.0


class AccountControl:
    """One account behind the API.

    Args:
        key_id: Which.
        perform: Does a command by name: a server's own, or one from `over_http`.
    """

    def __init__(self, key_id: str, perform: Performing) -> None:
        self.key_id = key_id
        self._perform = perform

    def do(self, name: str, **args: Any) -> Any:
        """Any command by its name, with JSON in and out. Raises ConfigError where it cannot be."""
        return self._perform(self.key_id, name, args)

    def configure(self, **settings: Any) -> None:
        """Change how the account behaves: the fields of `records.Settings`."""
        self.do("configure", **settings)

    def set_clock(self, now: datetime | None) -> None:
        """Stop the clock at an instant, or let it follow the server's; sessions between turn."""
        self.do("set_clock", now=None if now is None else now.isoformat())

    def open_session(self, session: date) -> None:
        """Set the clock to the open: what was accepted becomes live, and fills where it can."""
        self.do("turn", session=session.isoformat(), turn="open")

    def close_session(self, session: date) -> None:
        """Set the clock to the close: closing orders fill, day orders expire."""
        self.do("turn", session=session.isoformat(), turn="close")

    def quote(self, symbol: str, bid: str, ask: str, size: int | None = None) -> None:
        """Set a quote; what is marketable fills, up to `size` shares of it."""
        self.do("set_quotes", quotes={symbol: {"bid": bid, "ask": ask, "size": size}})

    def fill(
        self, client_order_id: str, price: str, qty: str | Decimal | None = None
    ) -> dict[str, Any]:
        """Execute shares of an order, all that is left for None, whatever its state."""
        shares = None if qty is None else str(qty)
        return dict(self.do("fill", client_order_id=client_order_id, price=price, qty=shares))

    def script(
        self,
        *rules: Mapping[str, Any],
        deliveries: Sequence[Mapping[str, Any]] = (),
        surprises: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Let things go wrong: the fields of `fault_rules`."""
        self.do("script", rules=rules, deliveries=deliveries, surprises=surprises)

    def heal(self) -> None:
        """Forget the faults that have not happened yet."""
        self.do("heal")

    def book(self) -> dict[str, Any]:
        """The account's own book: orders, fills, activities, positions, requests, events."""
        return dict(self.do("book"))

    def wait_for(
        self,
        method: str,
        path: str,
        *,
        count: int = 1,
        stage: str = "arrived_at",
        timeout_s: float = 5.0,
    ) -> list[dict[str, Any]]:
        """The first `count` calls of a route at a stage; fewer when the time is out.

        Args:
            method: Of the request.
            path: Of the request, exactly.
            count: How many to wait for.
            stage: `arrived_at`, `effect_at` or `answered_at`.
            timeout_s: How long to wait.
        """
        asked = {"method": method, "path": path, "count": count}
        return list(self.do("wait_for", **asked, stage=stage, timeout_s=timeout_s))

    def own_door(self) -> str:
        """The URL of a port for this account alone."""
        return str(self.do("own_door"))

    def close_door(self, seconds: float | None = None) -> None:
        """Refuse connections: at its own door, or the server's where it has none."""
        self.do("close_door", seconds=seconds)

    def open_door(self) -> None:
        """Take connections again."""
        self.do("open_door")


def over_http(rest_url: str) -> Performing:
    """Commands for a server in another process, one connection each.

    Args:
        rest_url: Its main door, which must be open.
    """
    host = urlsplit(rest_url).netloc

    def perform(key_id: str, name: str, args: Mapping[str, Any]) -> Any:
        connection = HTTPConnection(host, timeout=TIMEOUT_S)
        try:
            body = json.dumps({"key_id": key_id, **args})
            connection.request("POST", f"/_local/{name}", body)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ConfigError(str(said["message"]))
        return said["result"]

    return perform
