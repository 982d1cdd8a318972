"""5,000 orders through gates, a real ledger and the local Alpaca: how long each takes.

    python -m benchmarks.orders_load [--orders 5000] [--ledger sqlite:///file | postgresql://...]

One decision is judged by every gate and stored; its orders go out one after another under the
lease, at the pace that the broker keeps, to the real client over real HTTP; then each is asked for
again. The rate limit (200 a minute there, 180 here) runs in virtual time on both sides, so that
waiting costs nothing and is counted all the same. Figures are of the machine's own time:

    submit   permit of the ledger, the call, its answer stored
    call     the call alone
    query    one question to the broker about one order
    ledger   one question to the ledger about one order
    floor    as many POSTs bare, through `http.client`, to an account of its own at the same server

The last line reads `key=value ...`; `submit_over_floor` and `call_over_floor` are of the medians.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from benchmarks.risk_gates import make_orders, make_view
from tradegraph_dagster.adapters.alpaca.broker import AlpacaBroker
from tradegraph_dagster.adapters.alpaca.broker_options import AlpacaBrokerOptions
from tradegraph_dagster.adapters.alpaca.trading_transport import TradingGateway
from tradegraph_dagster.adapters.alpaca.transport import BURST, Pace
from tradegraph_dagster.adapters.fake_alpaca.control import AccountControl
from tradegraph_dagster.adapters.fake_alpaca.server import SECRET, LocalAlpaca
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.memory.stopwatch import MemoryStopwatch
from tradegraph_dagster.adapters.sql.ledger import create_schema, open_ledger
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.ports import BrokerSetup, TradingBooks
from tradegraph_dagster.domain.orders.schema import OrderStatus
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy, SubmissionPorts
from tradegraph_dagster.domain.orders.submission import submit_orders
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates, limits_as_text
from tradegraph_dagster.domain.risk.order_gate import GatedDecision, judge_orders
from tradegraph_dagster.domain.risk.schema import ProposedOrder, RiskDecision

SESSION = date(2026, 11, 20)
EVENING_BEFORE = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
KEY, FLOOR_KEY = "PKLOAD", "PKFLOOR"
SUBMIT_GOAL_MS, QUERY_GOAL_MS = 500.0, 50.0


@dataclass
class Timed:
    """An object whose named methods are timed; the rest is its own."""

    inner: Any
    begin: str
    end: str
    seconds: list[float]

    _started: float = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in (self.begin, self.end):
            return found

        def timed(*args: Any, **given: Any) -> Any:
            if name == self.begin:
                self._started = perf_counter()
            answer = found(*args, **given)
            if name == self.end:
                self.seconds.append(perf_counter() - self._started)
            return answer

        return timed


def decide(books: TradingBooks, orders: Sequence[ProposedOrder], held: list[str]) -> float:
    """Judge and store one decision; seconds it took."""
    symbols = [order.symbol for order in orders]
    gates = configured_gates("large_account", {"order_rate": {"max_per_session": 20_000}})
    view = make_view(symbols, held)
    decision = RiskDecision(
        decision_id="d1",
        market="us",
        strategy="topk",
        session=SESSION,
        lines=(),
        targets={},
        equity=view.account.equity,
        rules_applied=(),
        inputs_fingerprint="0" * 64,
    )

    def judged(_: object) -> GatedDecision:
        return GatedDecision(
            decision,
            judge_orders(orders, view, gates),
            limits=limits_as_text(gates),
            policy="large_account",
        )

    started = perf_counter()
    books.decisions.record_decision("d1", judged, session=SESSION)
    return perf_counter() - started


def open_broker(
    folder: Path, url: str, books: TradingBooks, clock: FixedClock, stopwatch: MemoryStopwatch
) -> AlpacaBroker:
    """The broker as it ships, its pace in virtual time."""
    options = AlpacaBrokerOptions(
        opening_session=SESSION,
        local_url=url,
        key_id=SecretStr(KEY),
        secret_key=SecretStr(SECRET),
    )
    market = load_market("us")
    ws = Workspace(market, MemoryFrameStore(), SESSION)
    setup = BrokerSetup(folder / "broker_us.db", ws, books.kill_switch, clock)
    pace = Pace(
        options.requests_per_minute - BURST,
        monotonic=stopwatch.seconds,
        sleep=stopwatch.pause,
    )
    return AlpacaBroker(setup, options, TradingGateway(options, setup.contact, pace))


def print_times(what: str, seconds: Sequence[float], goal_ms: float | None = None) -> bool:
    """One line of milliseconds; whether the goal is met."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * part)] * 1_000 for part in (0.50, 0.99))
    goal = "" if goal_ms is None else f"   goal p99 < {goal_ms:.0f} ms"
    most = ordered[-1] * 1_000
    sys.stdout.write(
        f"{what:<8} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   max {most:7.2f} ms{goal}\n"
    )
    return goal_ms is None or p99 < goal_ms


def timed_calls(ask: Callable[[str], Any], names: Sequence[str]) -> list[float]:
    """Seconds of each call; every answer must be there."""
    seconds = []
    for name in names:
        started = perf_counter()
        answer = ask(name)
        seconds.append(perf_counter() - started)
        if answer is None:
            raise SystemExit(f"{name} is not known")
    return seconds


def load(folder: Path, ledger_url: str, count: int) -> bool:
    """Run the load; whether every goal was met."""
    clock = FixedClock(EVENING_BEFORE)
    stopwatch = MemoryStopwatch(clock)
    create_schema(ledger_url)
    ledger = open_ledger(ledger_url, market="us", clock=clock, audit_key=b"k" * 32)
    with closing(ledger):
        return send_all(folder, ledger.books, clock, stopwatch, count)


def send_all(
    folder: Path, books: TradingBooks, clock: FixedClock, stopwatch: MemoryStopwatch, count: int
) -> bool:
    """Decide, send and ask; whether every goal was met."""
    symbols = [f"S{number:05}" for number in range(count)]
    # So that the small orders of all the others stay within the limits of one account.
    held = symbols[: count // 12]
    orders = [
        replace(order, quantity_shares=100, limit_price=Decimal("10.00"))
        for order in make_orders(symbols, held)
    ]
    with LocalAlpaca(folder / "alpaca", clock=clock) as alpaca:
        account = alpaca.account(KEY, cash="100000000000", rate_per_minute=200)
        for symbol in held:
            account.do("set_holding", symbol=symbol, qty="20000", price="10")
        seconds = decide(books, orders, held)
        rate = count / seconds
        sys.stdout.write(f"decide   {rate:,.0f} orders/s through every gate into the ledger\n")
        broker = open_broker(folder, alpaca.rest_url, books, clock, stopwatch)
        submits: list[float] = []
        calls: list[float] = []
        timed_books = replace(books, orders=Timed(books.orders, "begin_sending", "apply", submits))
        timed_broker: Any = Timed(broker, "submit", "submit", calls)
        outcome = submit_orders(
            books.orders.orders(SESSION),
            SubmissionPorts(timed_books, timed_broker, clock, stopwatch, "load"),
            SubmissionPolicy(),
            deadline=None,
        )
        if outcome.cause is not None:
            raise outcome.cause
        virtual_minutes = stopwatch.seconds() / 60
        names = [order.client_order_id for order in orders]
        queries = timed_calls(broker.order, names)
        asked = timed_calls(books.orders.order, names)
        return report(
            account,
            books,
            {
                "submit": submits,
                "call": calls,
                "query": queries,
                "ledger": asked,
                "floor": bare_posts(alpaca, orders),
            },
            virtual_minutes,
        )


def bare_posts(alpaca: LocalAlpaca, orders: Sequence[ProposedOrder]) -> list[float]:
    """Seconds of each order as one bare POST, read to its end."""
    alpaca.account(FLOOR_KEY, cash="100000000000", rate_per_minute=1_000_000)
    parts = urlsplit(alpaca.rest_url)
    headers = {
        "APCA-API-KEY-ID": FLOOR_KEY,
        "APCA-API-SECRET-KEY": SECRET,
        "Content-Type": "application/json",
    }
    fields = {
        "qty": "100",
        "side": "buy",
        "type": "limit",
        "limit_price": "10.00",
        "time_in_force": "day",
    }
    seconds = []
    with closing(HTTPConnection(parts.hostname or "", parts.port)) as connection:
        for order in orders:
            name = order.client_order_id
            body = json.dumps({**fields, "symbol": order.symbol, "client_order_id": name})
            started = perf_counter()
            connection.request("POST", f"{parts.path}/v2/orders", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            seconds.append(perf_counter() - started)
            if answer.status != 200:
                raise SystemExit(f"{name} was refused: {answer.status} {text!r}")
    return seconds


def report(
    account: AccountControl,
    books: TradingBooks,
    times: dict[str, list[float]],
    virtual_minutes: float,
) -> bool:
    """Print what happened; the book that counts is the local Alpaca's own."""
    book = account.book()
    limited = sum(1 for call in book["requests"] if call.get("status") == 429)
    acked = sum(1 for order in books.orders.orders(SESSION) if order.status is OrderStatus.ACKED)
    goals = {"submit": SUBMIT_GOAL_MS, "query": QUERY_GOAL_MS}
    met = [print_times(what, seconds, goals.get(what)) for what, seconds in times.items()]
    there = {order["client_order_id"] for order in book["orders"]}
    submit, call, floor = (median(times[what]) for what in ("submit", "call", "floor"))
    sys.stdout.write(
        f"orders={len(book['orders'])} distinct={len(there)} acked={acked} "
        f"limited={limited} virtual_minutes={virtual_minutes:.1f} "
        f"submit_over_floor={submit / floor:.2f} call_over_floor={call / floor:.2f}\n"
    )
    is_complete = len(book["orders"]) == len(there) == acked == len(times["submit"])
    return all(met) and is_complete and limited == 0


def main() -> None:
    """Run it; the exit code is 1 where a goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--ledger", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        url = given.ledger or f"sqlite:///{name}/ledger.db"
        if not load(Path(name), url, given.orders):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
