"""Ledgers for tests, and the orders, fills and bookings to fill them with."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.make_chain import KEY
from tests.support.postgres import postgres_url
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.engine import open_engine
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, ledger_books
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    EventSource,
    Fill,
    Incident,
    IncidentKind,
    Lease,
    OrderEvent,
    OrderIntent,
    OrderStatus,
    SendPermit,
    Venue,
)
from tradegraph_dagster.domain.risk.gate_view import AccountView, Environment, GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GatedDecision, GateResult, judge_orders
from tradegraph_dagster.domain.risk.schema import Line, ProposedOrder, RiskDecision

SESSION = date(2024, 1, 3)
NEXT_SESSION = date(2024, 1, 4)
NOW = datetime(2024, 1, 3, 8, tzinfo=UTC)

_markets = count()


def _never(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    raise AssertionError("make_gated gives each gate its judge")


OPEN_DOOR = Gate(1, "open_door", "lets all pass", {}, _never, holds_reductions=True)
DOORMAN = Gate(2, "doorman", "keeps one out", {}, _never, holds_reductions=True)


@dataclass
class SqlPlace:
    """Where a ledger lives: open it as often as you like."""

    url: str
    market: str
    clock: FixedClock
    opened: list[SqlLedger] = field(default_factory=list)

    def open(self, **changes: Any) -> SqlLedger:
        """The ledger of a user with that clock; leases age by the place's, as by the database's."""
        options = {"market": self.market, "clock": self.clock, "audit_key": KEY} | changes
        ledger = Ledger(open_engine(self.url), lease_clock=self.clock, **options)
        self.opened.append(ledger_books(ledger))
        return self.opened[-1]


@cache
def _empty_file() -> Path:
    """A SQLite ledger without rows: making its tables takes 50 ms, copying the file none."""
    folder = Path(tempfile.mkdtemp(prefix="tradegraph-ledger-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    create_schema(f"sqlite:///{folder}/ledger.db")
    return folder / "ledger.db"


def ledger_with_tables(backend: str, folder: Path) -> str:
    """URL of a new file in `folder`, or of the shared server; an older file stays as it is."""
    if backend == "postgresql":
        create_schema(postgres_url())
        return postgres_url()
    file = folder / "ledger.db"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_empty_file(), file)
    return f"sqlite:///{file}"


@contextmanager
def sql_place(backend: str, folder: Path) -> Iterator[SqlPlace]:
    """A place nobody wrote to: a new file, or a new market in the shared server."""
    place = SqlPlace(ledger_with_tables(backend, folder), f"m{next(_markets)}", FixedClock(NOW))
    yield place
    # One server serves a whole run of tests, and has so many connections to give.
    for ledger in place.opened:
        ledger.close()


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


def make_order(*, name: str = "tg1-a", **changes: Any) -> ProposedOrder:
    fields = {
        "client_order_id": name,
        "decision_id": "dec-a",
        "strategy": "strategy of dec-a",
        "symbol": "600000.SH",
        "side": Side.BUY,
        "quantity_shares": 300,
        "reference_price": Decimal("10.10"),
    }
    return ProposedOrder(**(fields | changes))


def make_gated(
    market: str, *orders: ProposedOrder, name: str = "dec-a", denied: str = "", **changes: Any
) -> GatedDecision:
    """A decision whose orders went through two gates; the second denies the order `denied`."""

    def open_door(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
        return OPEN_DOOR.passes({"reference_price": order.reference_price, "max": limits["max"]})

    def doorman(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
        is_allowed = order.client_order_id != denied
        return DOORMAN.decides(is_allowed, "not on the list", {"name": order.client_order_id})

    gates = (
        (replace(OPEN_DOOR, judge=open_door), {"max": Decimal("1000.50")}),
        (replace(DOORMAN, judge=doorman), {}),
    )
    limits = {"open_door": {"max": "1000.50"}, "doorman": {}} | changes.pop("limits", {})
    policy = changes.pop("policy", "strict")
    judged = judge_orders(orders, make_view(), gates)
    return GatedDecision(make_decision(market, name=name, **changes), judged, limits, policy)


def make_view() -> GateView:
    """An account with 500 shares of 000001.SZ, where a buyer's fee is a thousandth."""
    environment = Environment(
        mode="paper",
        lock_refusal=None,
        halt=None,
        now=NOW,
        session=SESSION,
        last_session=SESSION,
        is_session=True,
        closes_at=None,
        reconciled_session=None,
        reconciled_at=None,
        model_version=None,
        model_refusal=None,
    )
    money, held = Decimal(1_000_000), {"000001.SZ": 500}
    account = AccountView(money, money, money, money, held, held, {}, Decimal("0.001"))
    return GateView(environment, account, {})


def record_orders(
    books: TradingBooks, market: str, *orders: ProposedOrder, **changes: Any
) -> RiskDecision:
    """Record a decision with these orders, or with tg1-a, a buy of 300 600000.SH at 10.10."""
    gated = make_gated(market, *(orders or (make_order(),)), **changes)
    return books.decisions.record_decision(
        gated.decision.decision_id, lambda _: gated, session=gated.decision.session
    )


def take_lease(books: TradingBooks, *, holder: str = "desk", seconds: float = 5) -> Lease:
    """The right to send, of a name that nobody else holds."""
    lease = books.leases.acquire("send", holder, seconds=seconds)
    assert lease is not None
    return lease


def send(
    books: TradingBooks,
    name: str = "tg1-a",
    *,
    expected: OrderStatus = OrderStatus.INTENT,
    venue: Venue | None = None,
) -> SendPermit:
    """Begin sending with a lease of its own."""
    lease = take_lease(books)
    return books.orders.begin_sending(name, expected, lease=lease, venue=venue or Venue())


def make_event(status: OrderStatus, *, name: str = "tg1-a", **changes: Any) -> OrderEvent:
    fields = {"client_order_id": name, "status": status, "source": EventSource.SUBMISSION}
    return OrderEvent(**(fields | changes))


def make_incident(**changes: Any) -> Incident:
    fields = {
        "incident_id": "inc-a",
        "kind": IncidentKind.BREAK_FOUND,
        "session": SESSION,
        "symbol": "600000.SH",
        "reference": "qty_mismatch/600000.SH",
        "expected": "300 shares",
        "found": "200 shares",
    }
    return Incident(**(fields | changes))


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
