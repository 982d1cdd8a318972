"""What is read while others write, what fits, and how long a connection may hang."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text

from tests.support.ledgers import (
    SESSION,
    SqlPlace,
    make_event,
    make_fill,
    record_orders,
    send,
)
from tests.support.postgres import postgres_url
from tradegraph_dagster.adapters.sql.engine import open_engine
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.domain.orders.schema import OrderStatus


@pytest.mark.parametrize("nth", range(4))
def test_an_order_may_end_while_commitments_are_read(
    place: SqlPlace, ledger: SqlLedger, nth: int
) -> None:
    record_orders(ledger.books, place.market)
    send(ledger.books)
    other, statements = place.open(), []

    def end_it(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("SELECT"):
            return
        statements.append(statement)
        if len(statements) == nth + 1:
            other.books.orders.apply(make_event(OrderStatus.REJECTED, reason="no"))

    event.listen(ledger.engine, "after_cursor_execute", end_it)
    found = ledger.books.decisions.commitments(SESSION)
    event.remove(ledger.engine, "after_cursor_execute", end_it)
    assert {one.intent.client_order_id for one in found.working} == set(found.reserved_cash)
    assert len(statements) == 4
    assert ledger.books.decisions.commitments(SESSION).working == ()
    other.close()


def test_a_fill_of_a_strangers_order_fits(place: SqlPlace, ledger: SqlLedger) -> None:
    stranger = make_fill(place.market, client_order_id="m" * 128)
    assert ledger.books.executions.record_executions([stranger], []).new == 1
    assert list(ledger.books.executions.fills(SESSION)) == [stranger]


def test_a_connection_that_hangs_is_given_up() -> None:
    engine = open_engine(postgres_url())
    with engine.connect() as connection:
        shown = {
            name: connection.execute(text(f"SHOW {name}")).scalar()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        }
        told = connection.connection.dbapi_connection.info.dsn_parameters
    engine.dispose()
    assert shown == {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "20s"}
    names = ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")
    assert [told[name] for name in names] == ["1", "10", "5", "3"]
    assert "-c tcp_keepalives_idle=10" in told["options"]
