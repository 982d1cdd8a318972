"""Ledgers for tests, and the orders, fills and bookings to fill them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.make_chain import KEY
from tests.support.postgres import postgres_url
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import Booking, Fill, OrderIntent
from tradegraph_dagster.domain.risk.schema import Line, RiskDecision

SESSION = date(2024, 1, 3)
NEXT_SESSION = date(2024, 1, 4)
NOW = datetime(2024, 1, 3, 8, tzinfo=UTC)

_markets = count()


@dataclass
class SqlPlace:
    """Where a ledger lives: open it as often as you like."""

    url: str
    market: str
    clock: FixedClock

    def open(self, **changes: Any) -> SqlLedger:
        options = {"market": self.market, "clock": self.clock, "audit_key": KEY} | changes
        return open_ledger(self.url, **options)


@contextmanager
def sql_place(backend: str, folder: Path) -> Iterator[SqlPlace]:
    """A place nobody wrote to: a new file, or a new market in the shared server."""
    url = f"sqlite:///{folder}/ledger.db" if backend == "sqlite" else postgres_url()
    create_schema(url)
    yield SqlPlace(url, f"m{next(_markets)}", FixedClock(NOW))


def make_decision(market: str, *, name: str = "dec-a", **changes: Any) -> RiskDecision:
    fields = {
        "decision_id": name,
        "market": market,
        "strategy": f"strategy of {name}",
        "session": SESSION,
        "lines": (
            Line("600000.SH", 0, 0, 300, Decimal("10.10"), ("cut to a lot", "cash")),
            Line("000001.SZ", 500, 400, 500, Decimal("8.123456789012345678")),
        ),
        "targets": {"600000.SH": 350, "000001.SZ": 500},
        "equity": Decimal("1000000.070000000000000001"),
        "rules_applied": ("max_position", "cash"),
        "inputs_fingerprint": "f" * 64,
    }
    return RiskDecision(**(fields | changes))


def make_intent(market: str, *, name: str = "tg1-a", **changes: Any) -> OrderIntent:
    fields = {
        "client_order_id": name,
        "decision_id": "dec-a",
        "market": market,
        "session": SESSION,
        "symbol": "600000.SH",
        "side": Side.BUY,
        "quantity_shares": 300,
    }
    return OrderIntent(**(fields | changes))


def make_fill(market: str, *, name: str = "e1", **changes: Any) -> Fill:
    fields = {
        "broker": "sim",
        "execution_id": name,
        "client_order_id": "tg1-a",
        "market": market,
        "session": SESSION,
        "symbol": "600000.SH",
        "side": Side.BUY,
        "quantity_shares": 100,
        "price": Decimal("10.10"),
        "fee": Decimal("5.01"),
        "filled_at": datetime(2024, 1, 3, 1, 30, 0, 123456, tzinfo=UTC),
    }
    return Fill(**(fields | changes))


def make_booking(market: str, *, name: str = "b1", **changes: Any) -> Booking:
    fields = {
        "broker": "sim",
        "booking_id": name,
        "market": market,
        "session": SESSION,
        "kind": "deposit",
        "cash": Decimal("1000000.00"),
    }
    return Booking(**(fields | changes))
