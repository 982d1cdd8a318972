"""A kill switch that cannot be read, or a ledger that cannot be written, counts as engaged."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.alpaca_broker_world import (
    BEFORE_THE_OPEN,
    KEY,
    SECRET,
    make_broker,
    make_setup,
    us_intent,
)
from tests.support.ledgers import make_order, record_orders, take_lease
from tests.support.make_chain import KEY as AUDIT_KEY
from tradegraph_dagster.adapters.fake_alpaca.server import LocalAlpaca
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.domain.core.errors import StoreError, StoreUnavailable, TradingHalted
from tradegraph_dagster.domain.orders.ports import KillSwitch
from tradegraph_dagster.domain.orders.schema import Lease, OrderStatus, SendVerdict, Venue

CLOCK = FixedClock(BEFORE_THE_OPEN)


def open_at(url: str) -> SqlLedger:
    return open_ledger(url, market="us", clock=CLOCK, audit_key=AUDIT_KEY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger in good order, with an order that waits to be sent."""
    made = tmp_path / "ledger.db"
    create_schema(f"sqlite:///{made}")
    ledger = open_at(f"sqlite:///{made}")
    record_orders(ledger.books, "us", make_order(symbol="AAPL", quantity_shares=1))
    ledger.close()
    return made


def dead_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def server_gone(path: Path) -> Iterator[str]:
    yield f"postgresql://nobody@127.0.0.1:{dead_port()}/ledger"


@contextmanager
def file_gone(path: Path) -> Iterator[str]:
    shutil.rmtree(path.parent / "gone", ignore_errors=True)
    yield f"sqlite:///{path.parent}/gone/ledger.db"


@contextmanager
def no_file_at_all(path: Path) -> Iterator[str]:
    folder = path.parent / "folder.db"
    folder.mkdir()
    yield f"sqlite:///{folder}"


@contextmanager
def damaged(path: Path) -> Iterator[str]:
    path.write_bytes(b"this is no database, " * 1000)
    path.with_name("ledger.db-wal").unlink(missing_ok=True)
    yield f"sqlite:///{path}"


@contextmanager
def read_only(path: Path) -> Iterator[str]:
    yield f"sqlite:///file:{path}?mode=ro&uri=true"


@contextmanager
def locked(path: Path) -> Iterator[str]:
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        yield f"sqlite:///{path}"
    finally:
        blocker.close()


UNREADABLE = (server_gone, file_gone, no_file_at_all, damaged)
UNWRITABLE = (*UNREADABLE, read_only, locked)


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradegraph_dagster.adapters.sql.engine.BUSY_SECONDS", 0.05)


@pytest.mark.parametrize("store", UNWRITABLE)
def test_no_order_gets_its_permit(store, path: Path) -> None:
    good = open_at(f"sqlite:///{path}")
    lease = take_lease(good.books, seconds=600)
    good.close()
    with store(path) as url:
        ledger = open_at(url)
        with pytest.raises(StoreError):
            ledger.books.orders.begin_sending(
                "tg1-a", OrderStatus.INTENT, lease=lease, venue=Venue()
            )
        with pytest.raises(StoreError):
            ledger.books.kill_switch.engage(reason="x", actor="ann")
        ledger.close()


def test_a_ledger_that_comes_back_lets_the_order_go(path: Path) -> None:
    """Or the test above would prove nothing."""
    good = open_at(f"sqlite:///{path}")
    lease: Lease = take_lease(good.books, seconds=600)
    with locked(path) as url, pytest.raises(StoreUnavailable, match="locked"):
        open_at(url).books.orders.begin_sending(
            "tg1-a", OrderStatus.INTENT, lease=lease, venue=Venue()
        )
    permit = good.books.orders.begin_sending(
        "tg1-a", OrderStatus.INTENT, lease=lease, venue=Venue()
    )
    assert permit.verdict is SendVerdict.GO
    good.close()


@pytest.mark.parametrize("store", UNREADABLE)
def test_a_broker_sends_nothing(store, path: Path, tmp_path: Path) -> None:
    with store(path) as url, LocalAlpaca(tmp_path / "alpaca", clock=CLOCK) as alpaca:
        account = alpaca.account(KEY, secret=SECRET, cash="100000", rate_per_minute=None)
        switch: KillSwitch = open_at(url).books.kill_switch
        setup = make_setup(tmp_path)
        halted = make_broker(replace(setup, kill_switch=switch), alpaca.rest_url)
        with pytest.raises(TradingHalted, match="cannot be read"):
            halted.submit(us_intent())
        assert [call for call in account.book()["requests"] if call["method"] == "POST"] == []
        assert make_broker(setup, alpaca.rest_url).submit(us_intent()).broker_order_id
