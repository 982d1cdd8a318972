"""Every act of the books is written whole, with its audit entry, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, event, select

from tests.support.ledgers import (
    NEXT_SESSION,
    SESSION,
    SqlPlace,
    make_booking,
    make_event,
    make_fill,
    make_gated,
    make_incident,
    make_order,
    record_orders,
    take_lease,
)
from tests.support.postgres import postgres_url
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.adapters.sql.tables import metadata
from tradegraph_dagster.domain.core.errors import InvariantBroken, StoreUnavailable
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import Lease, OrderStatus, Venue

Act = Callable[[TradingBooks, str, Lease], object]

# Limits other than those of the decision before, so that the change of limits is written too.
OTHER_LIMITS = {"open_door": {"max": "7"}}


def decide(books: TradingBooks, market: str, lease: Lease) -> object:
    return record_orders(
        books,
        market,
        make_order(name="tg1-b", decision_id="dec-b"),
        name="dec-b",
        strategy="strategy of dec-a",
        session=NEXT_SESSION,
        limits=OTHER_LIMITS,
    )


ACTS: dict[str, Act] = {
    "decision": decide,
    "sending": lambda books, market, lease: books.orders.begin_sending(
        "tg1-a", OrderStatus.INTENT, lease=lease, venue=Venue()
    ),
    "held back": lambda books, market, lease: books.orders.begin_sending(
        "tg1-a", OrderStatus.INTENT, lease=lease, venue=Venue("h", "a", is_live=True)
    ),
    "event": lambda books, market, lease: books.orders.apply(make_event(OrderStatus.DENIED)),
    "refused event": lambda books, market, lease: books.orders.apply(make_event(OrderStatus.ACKED)),
    "miss": lambda books, market, lease: books.orders.record_miss("tg1-a"),
    "executions": lambda books, market, lease: books.executions.record_executions(
        [make_fill(market), make_fill(market, name="x9", busts="e9")], [make_booking(market)]
    ),
    "a fill that stops trading": lambda books, market, lease: books.executions.record_executions(
        [make_fill(market, name="r1", client_order_id="tg1-r")], []
    ),
    "lease": lambda books, market, lease: books.leases.acquire("other", "desk", seconds=5),
    "release": lambda books, market, lease: books.leases.release(lease),
    "incident": lambda books, market, lease: books.incidents.raise_incidents(
        [make_incident(incident_id="inc-b")]
    ),
    "acknowledgement": lambda books, market, lease: books.incidents.acknowledge(
        "inc-a", actor="ann", reason="fine", bookings=[make_booking(market)]
    ),
    "engage": lambda books, market, lease: books.kill_switch.engage(reason="x", actor="ann"),
    "reconciliation": lambda books, market, lease: books.reconciliations.record_reconciliation(
        SESSION, breaks=0, fingerprint="f"
    ),
}


def everything(ledger: SqlLedger, market: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a market, table by table."""
    rows = {}
    with ledger.engine.connect() as connection:
        for table in metadata.sorted_tables:
            if "market" in table.columns:
                query = select(table).where(table.c.market == market)
                rows[table.name] = sorted(map(tuple, connection.execute(query)), key=repr)
    return rows


@contextmanager
def audit_that_fails(ledger: SqlLedger) -> Iterator[None]:
    """The rows are written, and then the entry is not."""

    def fail(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO audit_entries"):
            raise InvariantBroken("no entry")

    event.listen(ledger.engine, "before_cursor_execute", fail)
    yield
    event.remove(ledger.engine, "before_cursor_execute", fail)


@contextmanager
def commit_that_fails(ledger: SqlLedger) -> Iterator[None]:
    """All is written, and the commit comes to nothing: a lost connection, or a refusal."""

    def fail(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            connection.exec_driver_sql(
                "INSERT INTO reservations VALUES ('nowhere', 'none', 'x', '0', '0', 0)"
            )
            return
        number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        killer = psycopg2.connect(postgres_url())
        killer.autocommit = True
        with killer.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (number,))
        killer.close()

    event.listen(ledger.engine, "commit", fail)
    yield
    event.remove(ledger.engine, "commit", fail)


@pytest.mark.parametrize("fault", [audit_that_fails, commit_that_fails])
@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_half_written(
    place: SqlPlace, ledger: SqlLedger, act: str, fault: Callable[[SqlLedger], Any]
) -> None:
    orders = make_order(), make_order(name="tg1-r")
    record_orders(ledger.books, place.market, *orders, denied="tg1-r")
    ledger.books.incidents.raise_incidents([make_incident()])
    lease = take_lease(ledger.books)
    before = everything(ledger, place.market)
    with fault(ledger), pytest.raises((StoreUnavailable, InvariantBroken)):
        ACTS[act](ledger.books, place.market, lease)
    assert everything(ledger, place.market) == before
    ACTS[act](ledger.books, place.market, lease)
    after = everything(ledger, place.market)
    assert len(after["audit_entries"]) > len(before["audit_entries"])


def test_a_renewal_that_is_lost_leaves_the_lease_as_it_was(
    place: SqlPlace, ledger: SqlLedger
) -> None:
    lease = take_lease(ledger.books)
    before = everything(ledger, place.market)
    with commit_that_fails(ledger), pytest.raises((StoreUnavailable, InvariantBroken)):
        ledger.books.leases.renew(lease, seconds=60)
    assert everything(ledger, place.market) == before


def test_a_decision_is_taken_once_also_when_its_commit_failed(
    place: SqlPlace, ledger: SqlLedger
) -> None:
    gated = make_gated(place.market, make_order())
    with commit_that_fails(ledger), pytest.raises((StoreUnavailable, InvariantBroken)):
        ledger.books.decisions.record_decision("dec-a", lambda _: gated, session=SESSION)
    assert ledger.books.decisions.decision("dec-a") is None
    record_orders(ledger.books, place.market)
    assert len(ledger.books.orders.orders(SESSION)) == 1
