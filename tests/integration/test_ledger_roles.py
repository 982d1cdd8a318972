"""A role that trades appends to the ledger, and cannot rewrite it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import make_url, text

from tests.support.ledgers import NOW, SESSION, make_booking, make_fill
from tests.support.make_chain import KEY, KEYS
from tests.support.postgres import new_postgres_url
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.engine import open_engine
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.adapters.sql.roles import role_statements
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.core.errors import StoreError

ROLE = 'trader "one"'


@pytest.fixture(scope="module")
def url() -> str:
    """The database as the role sees it."""
    owner = new_postgres_url()
    create_schema(owner)
    engine = open_engine(owner)
    quoted = ROLE.replace('"', '""')
    with engine.begin() as connection:
        connection.execute(text(f'CREATE ROLE "{quoted}" LOGIN'))
        # Twice: running the statements again must do no harm.
        for statement in role_statements(ROLE) * 2:
            connection.execute(text(statement))
    engine.dispose()
    return make_url(owner).set(username=ROLE).render_as_string(hide_password=False)


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    create_schema(url)
    opened = open_ledger(url, market="cn", clock=FixedClock(NOW), audit_key=KEY)
    yield opened
    opened.close()


def test_the_role_trades(ledger: SqlLedger) -> None:
    books = ledger.books
    assert books.executions.record_executions([make_fill("cn")], [make_booking("cn")]).new == 2
    lease = books.leases.acquire("sending", "one", seconds=30)
    assert lease is not None
    assert books.leases.renew(lease, seconds=60) is not None
    books.kill_switch.engage(reason="a drill", actor="ann")
    assert len(books.executions.fills(SESSION)) == 1
    assert find_damage(ledger.audit.entries(), KEYS) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET event = event",
        "UPDATE fills SET fee = fee",
        "DELETE FROM order_events",
        "TRUNCATE audit_entries",
        "TRUNCATE orders CASCADE",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_entries_no_change ON audit_entries",
        "DROP TABLE audit_entries",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NEW; END $$",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '0000'",
    ],
)
def test_the_role_cannot_rewrite_history(ledger: SqlLedger, statement: str) -> None:
    with (
        pytest.raises(Exception, match=r"permission denied|must be owner"),
        ledger.engine.begin() as connection,
    ):
        connection.exec_driver_sql(statement)


def test_a_role_without_rights_is_told_so(url: str) -> None:
    owner = make_url(url).set(username="postgres").render_as_string(hide_password=False)
    engine = open_engine(owner)
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE nobody LOGIN"))
    engine.dispose()
    other = make_url(url).set(username="nobody").render_as_string(hide_password=False)
    opened = open_ledger(other, market="cn", clock=FixedClock(NOW), audit_key=KEY)
    with pytest.raises(StoreError, match="permission denied"):
        opened.audit.append("event", user="ann", details={})
    opened.close()
