"""The Alpaca broker over a server on this machine, in the real US calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tradegraph_dagster.adapters.alpaca.broker import AlpacaBroker
from tradegraph_dagster.adapters.alpaca.broker_options import AlpacaBrokerOptions
from tradegraph_dagster.adapters.alpaca.trading_transport import TradingGateway
from tradegraph_dagster.adapters.alpaca.transport import Pace
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.ports import BrokerSetup
from tradegraph_dagster.domain.orders.schema import OrderIntent

KEY, SECRET = "PKCANARY0123456789", "canary/secret+0123456789abcdefghijklmnop"
SESSION = date(2026, 11, 20)
OPENING = date(2026, 11, 19)
BEFORE_THE_OPEN = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
AFTER_THE_CLOSE = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
ORDER_ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"


class VirtualTime:
    """Seconds that only waiting lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def seconds(self) -> float:
        """Seconds since some instant."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let them pass."""
        self.now += seconds


def make_options(url: str, **changes: Any) -> AlpacaBrokerOptions:
    """Options with the canary keys."""
    given = {
        "opening_session": OPENING,
        "local_url": url,
        "key_id": SecretStr(KEY),
        "secret_key": SecretStr(SECRET),
        "connect_timeout_s": 2.0,
        **changes,
    }
    return AlpacaBrokerOptions.model_validate(given)


def make_setup(folder: Path, now: datetime = BEFORE_THE_OPEN) -> BrokerSetup:
    """Memory books, a clock that stands, the US market."""
    market = load_market("us")
    clock = FixedClock(now)
    books = memory_books(market=market.name, clock=clock)
    ws = Workspace(market, MemoryFrameStore(), date(2026, 1, 2))
    return BrokerSetup(folder / "broker_us.db", ws, books.kill_switch, clock)


def make_broker(
    setup: BrokerSetup, url: str, *, time: VirtualTime | None = None, **changes: Any
) -> AlpacaBroker:
    """The broker, its pace in virtual time."""
    options = make_options(url, **changes)
    passing = time or VirtualTime()
    pace = Pace(options.requests_per_minute - 10, monotonic=passing.seconds, sleep=passing.pause)
    return AlpacaBroker(setup, options, TradingGateway(options, setup.contact, pace))


def us_intent(name: str = "tg1-one", **changes: Any) -> OrderIntent:
    """A buy of 100 AAPL at most at 150.10."""
    given: dict[str, Any] = {
        "client_order_id": name,
        "decision_id": "dec-one",
        "market": "us",
        "session": SESSION,
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity_shares": 100,
        "limit_price": Decimal("150.10"),
    }
    return OrderIntent(**{**given, **changes})


def order_body(**changes: Any) -> dict[str, Any]:
    """What Alpaca says of `us_intent`, as its specification shows an order."""
    return {
        "id": ORDER_ID,
        "client_order_id": "tg1-one",
        "created_at": "2026-11-20T13:00:00.123456789Z",
        "updated_at": "2026-11-20T13:00:00.223456789Z",
        "submitted_at": "2026-11-20T13:00:00.122345678Z",
        "filled_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_class": "us_equity",
        "notional": None,
        "qty": "100",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "type": "limit",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": "150.1",
        "status": "accepted",
        "extended_hours": False,
        "legs": None,
        **changes,
    } | {"symbol": changes.get("symbol", "AAPL")}
