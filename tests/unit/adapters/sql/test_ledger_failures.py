from __future__ import annotations

import sqlite3
import traceback
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.ledgers import (
    NOW,
    SqlPlace,
    make_fill,
    record_orders,
    sql_place,
)
from tests.support.make_chain import KEY
from tests.support.postgres import postgres_url
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.engine import open_engine, reading
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.core.errors import (
    ConfigError,
    InvariantBroken,
    StoreError,
    StoreUnavailable,
    TradeGraphError,
)


def open_at(url: str) -> SqlLedger:
    return open_ledger(url, market="cn", clock=FixedClock(NOW), audit_key=KEY)


def test_what_was_written_is_there_for_the_next_process(place: SqlPlace) -> None:
    place.open().books.kill_switch.engage(reason="drawdown", actor="ann")
    assert place.open().books.kill_switch.engaged() == "drawdown"


def test_markets_share_a_database_and_nothing_else(place: SqlPlace) -> None:
    first, second = place.open(), place.open(market=f"{place.market}-other")
    first.books.kill_switch.engage(reason="x", actor="ann")
    first.books.executions.record_executions([make_fill(place.market)], [])
    other = make_fill(f"{place.market}-other", price=Decimal("1"))
    assert second.books.executions.record_executions([other], []).new == 1
    assert second.books.kill_switch.engaged() is None
    assert [entry.seq for entry in second.audit.entries()] == [0, 1]
    with pytest.raises(InvariantBroken, match="this ledger holds"):
        second.books.executions.record_executions([make_fill(place.market)], [])
    with pytest.raises(InvariantBroken, match="this ledger holds"):
        record_orders(second.books, place.market)


@pytest.mark.parametrize("money", [Decimal("NaN"), Decimal("Infinity")])
def test_money_must_be_a_number(place: SqlPlace, money: Decimal) -> None:
    with pytest.raises(InvariantBroken, match="finite Decimal"):
        record_orders(place.open().books, place.market, equity=money)


def test_a_secret_in_a_reason_is_kept_nowhere(place: SqlPlace) -> None:
    books = place.open(redactor=Redactor("canary-1")).books
    books.kill_switch.engage(reason="login with canary-1 failed", actor="ann")
    assert books.kill_switch.engaged() == "login with [redacted] failed"


def test_an_error_does_not_repeat_what_was_to_be_written(place: SqlPlace) -> None:
    query, values = text("SELECT nothing FROM decisions\nWHERE x = :x"), {"x": "canary-1"}
    with pytest.raises(TradeGraphError) as caught, reading(place.open().engine) as connection:
        connection.execute(query, values)
    assert "canary-1" not in "".join(traceback.format_exception(caught.value))


def test_secrets_do_not_reach_the_database(tmp_path: Path) -> None:
    with sql_place("sqlite", tmp_path) as place:
        ledger = place.open()
        ledger.audit.append("login", user="ann", details={"api_key": "canary-1", "a": ["canary"]})
        ledger.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary-1" not in stored
    assert b'["canary"]' in stored


def test_an_unreachable_store_says_so(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none/ledger.db", f"postgresql:///x?host={tmp_path}"):
        with pytest.raises(StoreUnavailable):
            open_at(url).books.kill_switch.engaged()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="folder"):
        create_schema(f"sqlite:///{tmp_path}/file/deep/ledger.db")


def test_a_database_without_tables_is_a_mistake_of_the_setup(tmp_path: Path) -> None:
    base, _, query = postgres_url().partition("?")
    template = base.rsplit("/", 1)[0] + "/template1?" + query
    for url in (f"sqlite:///{tmp_path}/ledger.db", template):
        with pytest.raises(ConfigError, match="create the schema"):
            open_at(url).books.kill_switch.engaged()


def test_a_damaged_file_is_not_worth_another_try(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database, " * 100)
    with pytest.raises(StoreError, match="backup") as caught:
        open_at(f"sqlite:///{tmp_path}/ledger.db").books.kill_switch.engaged()
    assert not isinstance(caught.value, StoreUnavailable)


def test_a_locked_store_is_unavailable(tmp_path: Path) -> None:
    with sql_place("sqlite", tmp_path) as place:
        ledger = place.open()
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=1")
    blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        ledger.books.kill_switch.engage(reason="x", actor="ann")
    blocker.close()
    assert ledger.books.kill_switch.engaged() is None


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d", "nonsense", "x+y://h"]
)
def test_other_stores_are_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(url)
    assert "secret" not in str(caught.value)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="32"):
        open_ledger(
            f"sqlite:///{tmp_path}/x.db", market="cn", clock=FixedClock(NOW), audit_key=b"short"
        )


def test_sqlite_waits_syncs_and_keeps_its_journal(tmp_path: Path) -> None:
    with sql_place("sqlite", tmp_path) as place, place.open().engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    full = 2
    assert found["journal_mode"] == "wal"
    assert (found["synchronous"], found["foreign_keys"]) == (full, 1)
    assert found["busy_timeout"] >= 10_000
