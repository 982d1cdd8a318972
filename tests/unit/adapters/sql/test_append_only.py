from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support.ledgers import (
    SESSION,
    SqlPlace,
    make_booking,
    make_event,
    make_fill,
    record_orders,
    send,
    sql_place,
)
from tests.support.make_chain import KEYS
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.adapters.sql.triggers import APPEND_ONLY
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.orders.schema import OrderStatus

# A column of each table that could be worth changing.
COLUMN = {
    "decisions": "payload",
    "gate_results": "results",
    "order_events": "raw",
    "fills": "fee",
    "bookings": "cash",
    "cash_entries": "amount",
    "audit_entries": "event",
}
TABLES = tuple(COLUMN)


@pytest.fixture
def ledger(place: SqlPlace) -> Iterator[SqlLedger]:
    opened = place.open()
    record_orders(opened.books, place.market)
    send(opened.books)
    opened.books.orders.apply(make_event(OrderStatus.ACKED))
    opened.books.executions.record_executions(
        [make_fill(place.market)], [make_booking(place.market)]
    )
    yield opened
    opened.close()


def execute(ledger: SqlLedger, statement: str) -> None:
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_every_append_only_table_is_tried() -> None:
    assert {table.name for table in APPEND_ONLY} == {*TABLES, "quarantine_releases"}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_rows_cannot_be_changed(ledger: SqlLedger, table: str, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        execute(ledger, statement.format(table, COLUMN[table]))
    assert len(list(ledger.books.executions.fills(SESSION))) == 1


@pytest.mark.parametrize("table", TABLES)
def test_tables_cannot_be_emptied(ledger: SqlLedger, table: str) -> None:
    if ledger.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DBAPIError, match="append-only"):
        execute(ledger, f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", TABLES)
def test_rows_cannot_be_replaced(ledger: SqlLedger, table: str) -> None:
    if ledger.engine.dialect.name == "postgresql":
        pytest.skip("PostgreSQL has no REPLACE")
    with pytest.raises(DBAPIError, match=r"append-only|follow the head"):
        execute(ledger, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize(
    ("seq", "prev_hash"), [("seq + 2", "hash"), ("seq + 1", "prev_hash"), ("seq - 1", "hash")]
)
def test_an_entry_must_follow_the_head(
    place: SqlPlace, ledger: SqlLedger, seq: str, prev_hash: str
) -> None:
    if ledger.engine.dialect.name == "postgresql" and seq == "seq + 2":
        pytest.skip("a gap is for the verifier to find")
    statement = (
        f'INSERT INTO audit_entries SELECT market, {seq}, timestamp, event, "user", details, '
        f"{prev_hash}, 'x', signature FROM audit_entries WHERE market = '{place.market}' "
        "ORDER BY seq DESC LIMIT 1"
    )
    with pytest.raises(DBAPIError):
        execute(ledger, statement)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("details = '{ ' || substr(details, 2)", "hash"),
        ("details = 'no json'", "hash"),
        ("details = '{\"x\":1.5}'", "hash"),
        ("event = 'other'", "hash"),
        ("signature = hash", "signature"),
    ],
)
def test_who_gets_past_the_triggers_is_found(tmp_path: Path, change: str, kind: str) -> None:
    with sql_place("sqlite", tmp_path) as place:
        ledger = place.open()
        for number in range(3):
            ledger.audit.append("event", user="ann", details={"n": number})
        execute(ledger, "DROP TRIGGER audit_entries_no_update")
        execute(ledger, f"UPDATE audit_entries SET {change} WHERE seq = 2")
        damage = find_damage(ledger.audit.entries(), KEYS)
        ledger.close()
    assert damage is not None
    assert (damage.seq, damage.kind) == (2, kind)
