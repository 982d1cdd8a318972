"""Eight processes send to a broker over HTTP while somebody engages the kill switch.

The audit chain orders every permit against the engage: both are written in the transaction that
they belong to. The broker's own log says what arrived, on the clock that all processes share.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.alpaca_broker_world import BEFORE_THE_OPEN, KEY, SECRET, SESSION
from tests.support.ledgers import make_order, record_orders
from tests.support.make_chain import KEY as AUDIT_KEY
from tests.support.make_chain import KEYS
from tests.support.postgres import new_postgres_url
from tests.support.racing_senders import order_name
from tradegraph_dagster.adapters.fake_alpaca.server import LocalAlpaca
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.orders.schema import OrderStatus

ROOT = Path(__file__).parents[2]
SENDERS, ORDERS_EACH = 8, 25
ENGAGE_AFTER = 30


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/l.db" if request.param == "sqlite" else new_postgres_url()
    create_schema(made)
    return made


@contextmanager
def senders(url: str, alpaca: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    told = [url, alpaca, str(folder), str(SENDERS), str(ORDERS_EACH)]
    command = [sys.executable, "-m", "tests.support.racing_senders", *told]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
            yield process
        finally:
            process.kill()


def recorded(url: str) -> SqlLedger:
    ledger = open_ledger(url, market="us", clock=FixedClock(BEFORE_THE_OPEN), audit_key=AUDIT_KEY)
    names = [order_name(one, n) for one in range(SENDERS) for n in range(ORDERS_EACH)]
    orders = [make_order(name=name, symbol="AAPL", quantity_shares=1) for name in names]
    record_orders(ledger.books, "us", *orders, session=SESSION)
    return ledger


def test_nothing_is_sent_after_the_engage(url: str, tmp_path: Path) -> None:
    ledger = recorded(url)
    with LocalAlpaca(tmp_path / "alpaca", clock=FixedClock(BEFORE_THE_OPEN)) as alpaca:
        account = alpaca.account(KEY, secret=SECRET, cash="100000000", rate_per_minute=None)
        with senders(url, alpaca.rest_url, tmp_path) as process:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            seen = account.wait_for("POST", "/v2/orders", count=ENGAGE_AFTER, timeout_s=60)
            assert len(seen) == ENGAGE_AFTER
            ledger.books.kill_switch.engage(reason="stop", actor="ann")
            engaged_at = time.monotonic()
            out, _ = process.communicate(timeout=120)
        assert out.strip() == str([0] * SENDERS)
        book = account.book()

    entries = list(ledger.audit.entries())
    assert find_damage(entries, KEYS) is None
    (engage,) = [entry.seq for entry in entries if entry.event == "kill_switch_engaged"]
    permits = {
        str(entry.details["client_order_id"]): entry.seq
        for entry in entries
        if entry.event == "order_submitting"
    }
    posts = [call for call in book["requests"] if call["method"] == "POST"]
    late = [call["client_order_id"] for call in posts if call["arrived_at"] > engaged_at]

    assert [name for name, seq in permits.items() if seq > engage] == []
    assert {call["client_order_id"] for call in posts} <= set(permits)
    # In flight when it was engaged: at most one a sender, permitted before.
    assert len(late) <= SENDERS
    assert len({name[:7] for name in late}) == len(late)
    assert len(posts) == len({call["client_order_id"] for call in posts})
    sent = [record.status for record in ledger.books.orders.orders(SESSION)]
    assert sent.count(OrderStatus.INTENT) == SENDERS * ORDERS_EACH - len(permits) > 0
    ledger.close()
