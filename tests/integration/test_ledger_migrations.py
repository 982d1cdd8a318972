"""Databases of any age come to the tables of this release, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, select
from sqlalchemy.exc import DBAPIError

from tests.support.ledgers import NEXT_SESSION, NOW, SESSION, make_fill, make_order, record_orders
from tests.support.make_chain import KEY
from tests.support.older_ledger import make_older_ledger
from tests.support.postgres import new_postgres_url
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.access_tables import PEOPLE
from tradegraph_dagster.adapters.sql.engine import open_engine
from tradegraph_dagster.adapters.sql.ledger import SCHEMA_REVISION, create_schema, open_ledger
from tradegraph_dagster.adapters.sql.migrations.upgrade import migration_config
from tradegraph_dagster.adapters.sql.tables import CASH_ENTRIES, LOTS, RESERVATIONS
from tradegraph_dagster.adapters.sql.triggers import APPEND_ONLY
from tradegraph_dagster.domain.core.errors import ConfigError, StoreError
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.lots import Lot, open_lots
from tradegraph_dagster.domain.orders.schema import OrderStatus

START = """
import sys
from tradegraph_dagster.adapters.sql.ledger import create_schema
create_schema(sys.argv[1])
print("alembic" in sys.modules)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return new_postgres_url()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), PEOPLE.metadata))


def test_the_steps_make_the_tables_that_the_code_has(url: str, engine: Engine) -> None:
    create_schema(url)
    assert differences(engine) == []
    assert ScriptDirectory.from_config(migration_config()).get_current_head() == SCHEMA_REVISION


def test_a_changed_column_is_a_difference(url: str, engine: Engine) -> None:
    create_schema(url)
    run(engine, "ALTER TABLE orders DROP COLUMN misses")
    assert differences(engine)


def test_an_older_ledger_gets_the_same_tables(url: str, engine: Engine) -> None:
    make_older_ledger(engine)
    create_schema(url)
    assert differences(engine) == []


def test_an_older_ledger_that_lacks_a_table_gets_it(url: str, engine: Engine) -> None:
    make_older_ledger(engine, without="source_health")
    create_schema(url)
    assert differences(engine) == []


def test_an_older_ledger_keeps_its_rows_and_gains_what_follows_from_them(
    url: str, engine: Engine
) -> None:
    make_older_ledger(engine)
    create_schema(url)
    ledger = open_ledger(url, market="cn", clock=FixedClock(NOW), audit_key=KEY)
    books = ledger.books
    first, second = books.orders.orders(SESSION)
    assert (first.status, first.filled_shares, first.broker_order_id) == (
        OrderStatus.PARTIAL,
        100,
        "B1",
    )
    assert (first.misses, first.sent_at, second.status) == (0, None, OrderStatus.FILLED)
    decision = books.decisions.decision("dec-a")
    assert decision is not None
    assert (decision.equity, dict(decision.sources)) == (Decimal("1000000.07"), {})
    assert books.kill_switch.engaged() == "old"
    fills, bookings = books.executions.fills(NEXT_SESSION), books.executions.bookings(NEXT_SESSION)
    assert [(fill.execution_id, str(fill.price), fill.busts) for fill in fills] == [
        ("e1", "10.10", ""),
        ("e2", "10.20", ""),
    ]
    with engine.connect() as connection:
        lots = connection.execute(select(LOTS).order_by(LOTS.c.number)).all()
        cash = sum(connection.execute(select(CASH_ENTRIES.c.amount)).scalars(), Decimal(0))
        (reserved,) = connection.execute(select(RESERVATIONS)).all()
    assert [Lot(*row[1:2], *row[3:]) for row in lots] == open_lots(fills, bookings)
    book = executions_to_book(fills, bookings, session=NEXT_SESSION, unsellable_sessions=0)
    assert cash == book.cash == Decimal("999489.99")
    # 200 of 300 shares at 10.10 are not bought yet.
    assert (reserved.client_order_id, reserved.cash) == ("tg1-a", Decimal(2020))
    ledger.close()


def test_an_older_ledger_goes_on(url: str, engine: Engine) -> None:
    make_older_ledger(engine)
    create_schema(url)
    ledger = open_ledger(url, market="cn", clock=FixedClock(NOW), audit_key=KEY)
    again = make_fill("cn", price=Decimal("10.10"), filled_at=NOW.replace(hour=1, minute=30))
    rest = make_fill("cn", name="e3", quantity_shares=200)
    booked = ledger.books.executions.record_executions([again, rest], [])
    assert (booked.new, booked.repeated, booked.incidents) == (1, 1, ())
    order = make_order(name="tg1-n", decision_id="dec-n")
    record_orders(ledger.books, "cn", order, name="dec-n", strategy="s", session=NEXT_SESSION)
    assert [record.status.value for record in ledger.books.orders.orders(SESSION)] == ["filled"] * 2
    assert [entry.event for entry in ledger.audit.entries()][1:] == [
        "executions_recorded",
        "limits_changed",
        "decision_recorded",
    ]
    ledger.close()


def test_append_only_holds_for_older_ledgers(url: str, engine: Engine) -> None:
    make_older_ledger(engine)
    create_schema(url)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            query = "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger'"
        else:
            query = "SELECT DISTINCT event_object_table FROM information_schema.triggers"
        guarded = set(connection.exec_driver_sql(query).scalars())
    assert guarded == {table.name for table in APPEND_ONLY}
    with pytest.raises(DBAPIError, match="append-only"):
        run(engine, "UPDATE cash_entries SET amount = '0'")


def test_a_step_that_fails_leaves_the_ledger_as_it_was(url: str, engine: Engine) -> None:
    make_older_ledger(engine)
    run(engine, "CREATE TABLE leases (someone_elses INTEGER)")
    with pytest.raises(StoreError, match="leases"):
        create_schema(url)
    tables = set(inspect(engine).get_table_names())
    assert "alembic_version" not in tables
    assert "gate_results" not in tables
    assert "misses" not in {column["name"] for column in inspect(engine).get_columns("orders")}
    run(engine, "DROP TABLE leases")
    create_schema(url)
    assert differences(engine) == []


def test_a_newer_ledger_is_refused(url: str, engine: Engine) -> None:
    create_schema(url)
    run(engine, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="newer release"):
        create_schema(url)


def test_a_start_at_the_newest_step_loads_no_migrations(url: str) -> None:
    answers = [
        subprocess.run(
            [sys.executable, "-c", START, url], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert answers == ["True", "False"]


def test_starts_side_by_side_make_one_schema(url: str, engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create_schema, [url] * 4))
    assert differences(engine) == []
