"""Empty trading books in each store, for suites that every store must pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.support.ledgers import NOW, SESSION, sql_place
from tests.support.make_chain import KEYS
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import OrderRecord, OrderStatus

STORES = ("memory", "sqlite", "postgresql")


@dataclass
class BookPlace:
    """The books under test; `ledger` is None where they are in memory."""

    books: TradingBooks
    market: str
    clock: FixedClock
    ledger: SqlLedger | None = None

    def order(self, name: str = "tg1-a") -> OrderRecord:
        found = self.books.orders.order(name)
        assert found is not None
        return found

    def statuses(self, session: date = SESSION) -> dict[str, OrderStatus]:
        records = self.books.orders.orders(session)
        return {record.intent.client_order_id: record.status for record in records}

    def reserved(self, session: date = SESSION) -> dict[str, str]:
        bound = self.books.decisions.commitments(session).reserved_cash
        return {name: str(cash) for name, cash in bound.items()}

    def expect_events(self, *events: str) -> None:
        """Event names after the genesis entry, where the store keeps a chain."""
        if self.ledger:
            assert [entry.event for entry in self.ledger.audit.entries()][1:] == list(events)


@contextmanager
def book_place(store: str, folder: Path) -> Iterator[BookPlace]:
    """Empty books; the chain they have written is whole at the end."""
    if store == "memory":
        clock = FixedClock(NOW)
        yield BookPlace(memory_books(market="cn", clock=clock), "cn", clock)
        return
    with sql_place(store, folder) as where:
        ledger = where.open()
        yield BookPlace(ledger.books, where.market, where.clock, ledger)
        assert find_damage(ledger.audit.entries(), KEYS) is None
        ledger.close()
