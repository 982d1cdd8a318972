from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, MetaData, Table, Text, text
from sqlalchemy.exc import StatementError

from tests.support.ledgers import SqlPlace, make_order, record_orders, sql_place
from tradegraph_dagster.adapters.sql.bulk_rows import insert_rows
from tradegraph_dagster.adapters.sql.column_types import Instant, Money
from tradegraph_dagster.adapters.sql.engine import writing
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.adapters.sql.tables import ORDERS
from tradegraph_dagster.domain.core.errors import InvariantBroken, StoreUnavailable

EVERY_TYPE = Table(
    "every_type",
    MetaData(),
    Column("number", BigInteger),
    Column("said", Text),
    Column("cash", Money),
    Column("at", Instant),
    Column("day", Date),
    Column("is_it", Boolean),
    prefixes=["TEMPORARY"],
)
EAST = timezone(timedelta(hours=8))
ROW: dict[str, Any] = {
    "number": 2**62,
    "said": "a\tb",
    "cash": Decimal("-1E-7"),
    "at": datetime(2024, 1, 3, 9, 30, 0, 1, tzinfo=EAST),
    "day": date(2024, 1, 3),
    "is_it": False,
}
# Everything but what `clean_text` takes out.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("\\N.\t\n\r\b\f\v\"',{}"),
        st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"),
    )
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def connection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    with (
        sql_place(request.param, tmp_path_factory.mktemp("bulk")) as place,
        writing(place.open().engine, place.market) as opened,
    ):
        EVERY_TYPE.create(opened)
        yield opened


def stored(connection: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as they come back."""
    connection.execute(EVERY_TYPE.delete())
    insert_rows(connection, EVERY_TYPE, rows)
    found = connection.execute(EVERY_TYPE.select().order_by(EVERY_TYPE.c.number))
    return [dict(row) for row in found.mappings()]


def test_every_type_comes_back_as_it_was(connection: Connection) -> None:
    rows = [ROW | {"number": number} for number in (1, 2)] + [dict.fromkeys(ROW) | {"number": 3}]
    found = stored(connection, rows)
    assert found == rows
    assert found[0]["at"].tzinfo is UTC


@given(TEXTS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_as_it_was(connection: Connection, said: str) -> None:
    assert stored(connection, [ROW | {"said": said}])[0]["said"] == said


@pytest.mark.parametrize(
    "wrong", [{"cash": Decimal("NaN")}, {"at": ROW["at"].replace(tzinfo=None)}], ids=["cash", "at"]
)
def test_what_a_column_refuses_is_not_sent(connection: Connection, wrong: dict[str, Any]) -> None:
    before = stored(connection, [ROW])
    with pytest.raises((InvariantBroken, StatementError), match=r"finite Decimal|time zone"):
        insert_rows(connection, EVERY_TYPE, [ROW, ROW | wrong])
    assert [dict(row) for row in connection.execute(EVERY_TYPE.select()).mappings()] == before


def add_orders(ledger: SqlLedger, rows: list[dict[str, Any]], *, lost: bool = False) -> None:
    """Orders by themselves in a transaction, whose connection may be lost on the way."""
    with writing(ledger.engine, "test_bulk_rows") as opened:
        if lost:
            pid = opened.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with ledger.engine.connect() as killer:
                killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        insert_rows(opened, ORDERS, rows)


def one_order(ledger: SqlLedger, market: str) -> dict[str, Any]:
    """Records an order; its row."""
    record_orders(ledger.books, market, make_order())
    with ledger.engine.connect() as reader:
        (row,) = reader.execute(ORDERS.select().where(ORDERS.c.market == market)).mappings()
        return dict(row)


def test_one_refused_row_takes_all_of_its_transaction_along(
    place: SqlPlace, ledger: SqlLedger
) -> None:
    row = one_order(ledger, place.market)
    with pytest.raises(InvariantBroken, match="refused a row") as refusal:
        add_orders(ledger, [row | {"client_order_id": "tg1-new"}, row])
    assert "COPY" not in str(refusal.value)
    assert ledger.books.orders.order("tg1-new") is None
    add_orders(ledger, [row | {"client_order_id": "tg1-new"}])
    assert ledger.books.orders.order("tg1-new") is not None


def test_a_connection_lost_on_the_way_writes_nothing_and_is_not_used_again(tmp_path: Path) -> None:
    with sql_place("postgresql", tmp_path) as place:
        ledger = place.open()
        row = one_order(ledger, place.market)
        with pytest.raises(StoreUnavailable, match="nothing was half-written"):
            add_orders(ledger, [row | {"client_order_id": "tg1-new"}], lost=True)
        assert ledger.books.orders.order("tg1-new") is None
        assert ledger.books.orders.order(row["client_order_id"]) is not None
