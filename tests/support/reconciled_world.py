"""One closed session: lake, ledger and broker agree until a test makes a break."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from sqlite3 import connect

import polars as pl

from tests.support.ledgers import (
    NEXT_SESSION,
    NOW,
    SESSION,
    make_booking,
    make_event,
    make_fill,
    make_order,
    record_orders,
    send,
    sql_place,
)
from tests.support.make_bars import known_after, make_adjusted_bars
from tests.support.plain_market import PlainMarket
from tests.support.stated_broker import StatedBroker
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.acknowledgement import acknowledge_incident
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.domain.reconciliation.step import reconcile_session

SYMBOLS = ("000001.SZ", "600000.SH", "600036.SH", "601318.SH")


@dataclass
class ReconciledWorld:
    """300 shares of 600000.SH were bought at 10.10 in the session; both sides know it."""

    ws: Workspace
    books: TradingBooks
    broker: StatedBroker
    market: str
    database: Path | None = None

    def reconcile(self, session: date = SESSION) -> tuple[Written, Written]:
        return reconcile_session(self.ws, session=session, books=self.books, broker=self.broker)

    def breaks(self, session: date = SESSION) -> set[tuple[str, str, str]]:
        frame = self.ws.store.read(BREAKS, [session])
        return set(frame.select("kind", "symbol", "reference").iter_rows())

    def blocked(self) -> set[str]:
        """Symbols whose new orders the risk gate holds back; "" is all of them."""
        return {one.symbol for one in self.books.incidents.open_incidents() if one.blocks}

    def content(self) -> list[str]:
        """All rows of the database, the audit chain among them, and of the books' own lists."""
        listed = [
            repr(self.books.incidents.open_incidents()),
            repr(self.books.executions.fills(date.max)),
            repr(self.books.executions.bookings(date.max)),
            repr(self.books.orders.orders(SESSION)),
            repr(self.books.events.events("tg1-a")),
            repr(self.books.reconciliations.latest()),
        ]
        if self.database is None:
            return listed
        with closing(connect(self.database)) as connection:
            return [*listed, *connection.iterdump()]

    def order(self, name: str, status: OrderStatus, *, symbol: str, shares: int = 300) -> None:
        """An order of the session that was sent and became `status`."""
        record_orders(
            self.books,
            self.market,
            make_order(name=name, decision_id=f"dec-{name}", symbol=symbol, quantity_shares=shares),
            name=f"dec-{name}",
        )
        send(self.books, name)
        if status is not OrderStatus.SUBMITTING:
            self.books.orders.apply(make_event(status, name=name, broker_order_id=f"B-{name}"))

    def knows(self, name: str, status: OrderStatus, filled: int, shares: int = 300) -> None:
        """What the broker answers for an order."""
        self.broker.orders[name] = BrokerOrder(name, f"B-{name}", status, shares, filled)

    def put_bonus(self, symbol: str, ratio: float) -> None:
        """A corporate action with its ex-date in the session."""
        action = {
            "session": SESSION,
            "symbol": symbol,
            "cash_per_share": 0.0,
            "bonus_ratio": ratio,
            "rights_ratio": 0.0,
            "rights_price": 0.0,
            "split_ratio": 1.0,
            "source": "test",
            "known_at": known_after(SESSION),
        }
        frame = conform_frame(pl.DataFrame([action]), CORPORATE_ACTIONS)
        self.ws.store.write(CORPORATE_ACTIONS, SESSION, frame)


def acknowledge_all(ws: Workspace, books: TradingBooks, broker: Broker) -> None:
    """A person has looked at every open incident, and takes the broker's word."""
    for incident in list(books.incidents.open_incidents()):
        acknowledge_incident(
            ws,
            incident.incident_id,
            books=books,
            broker=broker,
            actor="ada",
            reason="the broker is right",
        )


@contextmanager
def reconciled_world(backend: str, folder: Path) -> Iterator[ReconciledWorld]:
    """Books in memory, or in a SQLite file of their own."""
    store = MemoryFrameStore()
    bars = make_adjusted_bars([SESSION, NEXT_SESSION], SYMBOLS)
    for (session,), part in bars.partition_by("session", as_dict=True).items():
        store.write(ADJUSTED_BARS, session, part)
        store.write(VALIDATED_BARS, session, part)
    if backend == "memory":
        books = memory_books(market="plain", clock=FixedClock(NOW))
        yield _fill(ReconciledWorld(_workspace(store, "plain"), books, StatedBroker(), "plain"))
        return
    with sql_place("sqlite", folder) as place:
        ledger = place.open()
        world = ReconciledWorld(
            _workspace(store, place.market),
            ledger.books,
            StatedBroker(),
            place.market,
            folder / "ledger.db",
        )
        yield _fill(world)
        ledger.close()


def _workspace(store: MemoryFrameStore, market: str) -> Workspace:
    return Workspace(PlainMarket(name=market), store, SESSION)


def _fill(world: ReconciledWorld) -> ReconciledWorld:
    world.order("tg1-a", OrderStatus.ACKED, symbol="600000.SH")
    fill = make_fill(world.market, quantity_shares=300)
    deposit = make_booking(world.market)
    world.books.executions.record_executions([fill], [deposit])
    world.broker.positions = {"600000.SH": 300}
    world.broker.cash = deposit.cash - 300 * fill.price - fill.fee
    world.broker.fills, world.broker.bookings = [fill], [deposit]
    world.knows("tg1-a", OrderStatus.FILLED, 300)
    return world
