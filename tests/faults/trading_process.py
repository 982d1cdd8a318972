"""What one process does: the whole session, from wherever the one before left it.

It ends with status 0 once every step went through, 1 where a step must be tried again. Everything
that can end it on the way is real: SIGKILL, SIGSTOP, a lost commit, a full disk.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.faults.cases import Case, Window
from tests.faults.ledger_home import LedgerHome
from tests.faults.places import AFTER, DURING, KEY, MARKET, SESSION
from tradegraph_dagster.adapters.alpaca.broker import AlpacaBroker
from tradegraph_dagster.adapters.alpaca.broker_options import OPTIONS
from tradegraph_dagster.adapters.alpaca.trading_transport import TradingGateway
from tradegraph_dagster.adapters.alpaca.transport import Pace
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, open_ledger
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.core.ids import client_order_id, decision_id
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.cancellation import cancel_open
from tradegraph_dagster.domain.orders.ports import BrokerSetup
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    Commitments,
    EventSource,
    Fill,
    OrderEvent,
    OrderIntent,
    OrderStatus,
    Venue,
)
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy, SubmissionPorts
from tradegraph_dagster.domain.orders.step import collect_executions
from tradegraph_dagster.domain.orders.submission import submit_orders
from tradegraph_dagster.domain.orders.turn import LEASE_NAME
from tradegraph_dagster.domain.reconciliation.schema import POSITIONS
from tradegraph_dagster.domain.reconciliation.step import reconcile_session
from tradegraph_dagster.domain.risk.gate_view import AccountView, Environment, GateView
from tradegraph_dagster.domain.risk.order_gate import Gate, GatedDecision, GateResult, judge_orders
from tradegraph_dagster.domain.risk.schema import Line, ProposedOrder, RiskDecision

STRATEGY = "faults"
DECISION = decision_id(market=MARKET, strategy=STRATEGY, session=SESSION)
# Symbol -> shares and limit: one fills whole, one in part, one not at all, one whole again.
WANTED: Mapping[str, tuple[int, Decimal | None]] = {
    "AAPL": (10, None),
    "KO": (7, None),
    "MSFT": (20, Decimal(101)),
    "NVDA": (5, Decimal(50)),
}
IDS = {symbol: client_order_id(decision=DECISION, symbol=symbol, leg="buy") for symbol in WANTED}
PATIENCE = SubmissionPolicy(
    grace_seconds=0.06, spacing_seconds=0.02, patience_seconds=0.8, lease_seconds=0.4
)


@dataclass
class ProcessPlan:
    """Who a process is.

    Attributes:
        case: What goes wrong in the run.
        folder: The run's place.
        url: Of the local Alpaca.
        key_id: The run's account.
        number: 1 for the first process; those after it only recover.
        is_after_close: Whether the session is over: executions are collected.
        began: When the run began, by the monotonic clock that all its processes share.
    """

    case: Case
    folder: Path
    url: str
    key_id: str
    number: int
    is_after_close: bool
    began: float


class JumpingClock:
    """The session's time, moving on with the real one, and off by a jump."""

    def __init__(self) -> None:
        self.start(DURING, began=time.monotonic())

    def start(self, at: datetime, *, began: float, jump: int = 0) -> None:
        self._start = at + timedelta(seconds=jump)
        self._began = began

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)


@dataclass(frozen=True)
class Ledgers:
    """The ledger of every run in turn, always at the same place, and its time.

    It is opened once, without a connection, and its statements are compiled once: the processes
    that are forked off begin with it.
    """

    home: LedgerHome
    ledger: SqlLedger
    clock: JumpingClock


def open_ledgers(home: LedgerHome) -> Ledgers:
    clock = JumpingClock()
    return Ledgers(home, open_ledger(home.url, market=MARKET, clock=clock, audit_key=KEY), clock)


def warm_up(ledgers: Ledgers) -> None:
    """Have most statements of the ledger compiled; what it wrote is thrown away afterwards."""
    ledger, books, now = ledgers.ledger, ledgers.ledger.books, ledgers.clock.now()
    books.decisions.record_decision(DECISION, decide, session=SESSION)
    lease = books.leases.acquire(LEASE_NAME, "warm-up", seconds=60)
    lease = lease and books.leases.renew(lease, seconds=60)
    assert lease is not None
    name = IDS["KO"]
    books.orders.begin_sending(name, OrderStatus.INTENT, lease=lease, venue=Venue("local", "1"))
    books.orders.record_miss(name)
    for status in (OrderStatus.ACKED, OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED):
        books.orders.apply(OrderEvent(name, status, EventSource.RECOVERY, "b", 0, now))
    fill = Fill(
        "alpaca", "e", name, MARKET, SESSION, "KO", Side.BUY, 7, Decimal(100), Decimal(0), now
    )
    booking = Booking("alpaca", "d", MARKET, SESSION, "deposit", cash=Decimal(100))
    books.executions.record_executions([fill], [booking])
    books.executions.record_executions([fill], [booking])
    books.reconciliations.record_reconciliation(SESSION, breaks=0, fingerprint="f")
    books.kill_switch.engaged()
    books.leases.release(lease)
    _look(ledger)
    ledger.engine.dispose()


def _look(ledger: SqlLedger) -> None:
    books = ledger.books
    books.orders.orders(SESSION)
    books.decisions.commitments(SESSION)
    books.executions.fills(SESSION)
    books.executions.bookings(SESSION)
    books.incidents.open_incidents()
    books.reconciliations.latest()
    for _ in ledger.audit.entries():
        pass


class RealStopwatch:
    def seconds(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


class EndingBroker:
    """The broker, and the end of this process right before or after a call to it."""

    def __init__(self, broker: AlpacaBroker, plan: ProcessPlan) -> None:
        self._broker = broker
        self._plan = plan
        self._sent = 0
        self.name = broker.name

    @property
    def venue(self) -> Any:
        return self._broker.venue

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        self._sent += 1
        is_it = self._sent == self._plan.case.nth_order
        if is_it:
            end_in(self._plan, Window.BEFORE_SEND)
        answer = self._broker.submit(intent)
        if is_it:
            end_in(self._plan, Window.AFTER_ANSWER)
        return answer

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        end_in(self._plan, Window.IN_CANCEL, is_late=False)
        answer = self._broker.cancel(client_order_id)
        end_in(self._plan, Window.IN_CANCEL, is_late=True)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class EndingStore(ParquetFrameStore):
    """The lake, and the end of this process right before positions are written."""

    plan: ProcessPlan

    def write(self, schema: FrameSchema, *args: Any) -> str:
        if schema is POSITIONS:
            end_in(self.plan, Window.IN_RECONCILIATION)
        return super().write(schema, *args)


def end_in(plan: ProcessPlan, window: Window, *, is_late: bool | None = None) -> None:
    """End, or stop, the first process of a run in its window."""
    case = plan.case
    here = case.window is window and is_late in (None, case.is_late)
    if not here or plan.number > 1 or case.fault == 21:
        return
    os.kill(os.getpid(), signal.SIGSTOP if case.fault == 22 else signal.SIGKILL)


def trade(plan: ProcessPlan, ledgers: Ledgers) -> int:
    """The session as far as it goes; the status to exit with."""
    jump = plan.case.clock_jump if plan.case.fault == 23 and plan.number > 1 else 0
    ledger, clock = ledgers.ledger, ledgers.clock
    clock.start(AFTER if plan.is_after_close else DURING, began=plan.began, jump=jump)
    # Once in a run, in whichever process comes to it.
    struck = plan.folder / "struck"
    if not struck.exists():
        ledgers.home.spoil(ledger.engine, plan.case, struck)
    store = EndingStore(plan.folder / "lake")
    store.plan = plan
    ws = Workspace(load_market(MARKET), store, SESSION)
    setup = BrokerSetup(plan.folder / "broker.db", ws, ledger.books.kill_switch, clock)
    options = options_of(plan)
    # Sessions here last a second: the pace of the real account would make an hour of it.
    pace = Pace(1_000_000.0, sleep=lambda seconds: time.sleep(min(seconds, 0.05)))
    gateway = TradingGateway(options, lambda: "", pace)
    broker: Any = EndingBroker(AlpacaBroker(setup, options, gateway), plan)
    step: Callable[..., None] = settle if plan.is_after_close else send
    try:
        step(plan, ws, ledger, broker, clock)
    except TradeGraphError as error:
        with suppress(OSError), (plan.folder / "log").open("a") as log:
            log.write(f"{plan.number} {type(error).__name__} {error}\n")
        return 1
    return 0


def options_of(plan: ProcessPlan) -> Any:
    return OPTIONS.model_validate(
        {
            "local_url": plan.url,
            "opening_session": SESSION,
            "connect_timeout_s": 0.2,
            "read_timeout_s": 0.15,
            "key_id": SecretStr(plan.key_id),
            "secret_key": SecretStr("local-secret"),
        }
    )


def send(
    plan: ProcessPlan, ws: Workspace, ledger: SqlLedger, broker: Any, clock: JumpingClock
) -> None:
    """Decide, send, and cancel what still works."""
    end_in(plan, Window.BEFORE_INTENT)
    ledger.books.decisions.record_decision(DECISION, decide, session=SESSION)
    end_in(plan, Window.AFTER_INTENT)
    ports = SubmissionPorts(
        ledger.books, broker, clock, RealStopwatch(), f"process-{plan.number}-{os.getpid()}"
    )
    deadline = ws.calendar.close_at(SESSION)
    done = submit_orders(ledger.books.orders.orders(SESSION), ports, PATIENCE, deadline=deadline)
    if done.cause is not None:
        raise done.cause
    cancel_open(ledger.books, broker, session=SESSION, reason="end of the run")
    end_in(plan, Window.BEFORE_FILLS)


def settle(
    plan: ProcessPlan, ws: Workspace, ledger: SqlLedger, broker: Any, clock: JumpingClock
) -> None:
    """Book what the broker did, and compare."""
    collect_executions(ws, session=SESSION, books=ledger.books, broker=broker)
    reconcile_session(ws, session=SESSION, books=ledger.books, broker=broker)


def decide(bound: Commitments) -> GatedDecision:
    """Four buys that the gate lets through."""
    orders = [
        ProposedOrder(
            IDS[symbol], DECISION, STRATEGY, symbol, Side.BUY, shares, Decimal(100), limit
        )
        for symbol, (shares, limit) in WANTED.items()
    ]
    lines = tuple(Line(one.symbol, 0, 0, one.quantity_shares, Decimal(100)) for one in orders)
    decision = RiskDecision(
        decision_id=DECISION,
        market=MARKET,
        strategy=STRATEGY,
        session=SESSION,
        lines=lines,
        targets={line.symbol: line.approved_shares for line in lines},
        equity=Decimal(100_000),
        rules_applied=(),
        inputs_fingerprint="f" * 64,
    )
    gates = ((_GATE, {}),)
    return GatedDecision(decision, judge_orders(orders, _view(), gates), {"open": {}}, "faults")


def _let_through(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    return _GATE.passes({"reference_price": order.reference_price})


_GATE = Gate(1, "open", "lets all pass", {}, _let_through, holds_reductions=True)


def _view() -> GateView:
    cash = Decimal(100_000)
    around = Environment(
        mode="paper",
        lock_refusal=None,
        halt=None,
        now=DURING,
        session=SESSION,
        last_session=SESSION,
        is_session=True,
        closes_at=AFTER,
        reconciled_session=None,
        reconciled_at=None,
        model_version="1",
        model_refusal=None,
    )
    account = AccountView(cash, cash, cash, cash, {}, {}, {}, Decimal(0))
    return GateView(around, account, {})
