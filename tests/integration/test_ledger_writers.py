"""Writers side by side: one chain without a fork or a gap, every fact once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.ledgers import (
    SESSION,
    SqlPlace,
    make_decision,
    make_fill,
    make_intent,
    sql_place,
)
from tests.support.make_chain import KEY
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.orders.schema import OrderStatus

WRITERS = 4
ENTRIES = 20

CHILD = """
import sys
from datetime import UTC, datetime
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import open_ledger
url, market, entries = sys.argv[1], sys.argv[2], int(sys.argv[3])
clock = FixedClock(datetime(2024, 1, 3, tzinfo=UTC))
ledger = open_ledger(url, market=market, clock=clock, audit_key=b"k" * 32)
for number in range(entries):
    ledger.audit.append("event", user="child", details={"n": number})
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    with sql_place(request.param, tmp_path) as where:
        return where


def run_side_by_side(place: SqlPlace, work: Callable[[SqlLedger, int], object]) -> list[object]:
    """Each writer has its own engine, so its own connections."""

    def one(number: int) -> object:
        ledger = place.open()
        try:
            return work(ledger, number)
        finally:
            ledger.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(one, range(WRITERS)))


def check_chain(place: SqlPlace, entries: int) -> None:
    chain = list(place.open().audit.entries())
    assert find_damage(chain, KEY) is None
    assert [entry.seq for entry in chain] == list(range(entries + 1))
    assert [entry.event for entry in chain].count("genesis") == 1


def test_threads_make_one_chain(place: SqlPlace) -> None:
    def append(ledger: SqlLedger, writer: int) -> None:
        for number in range(ENTRIES):
            ledger.audit.append("event", user=f"w{writer}", details={"n": number})

    run_side_by_side(place, append)
    check_chain(place, WRITERS * ENTRIES)


def test_processes_make_one_chain(tmp_path: Path) -> None:
    with sql_place("sqlite", tmp_path) as place:
        command = [sys.executable, "-c", CHILD, place.url, place.market, str(ENTRIES)]
        children = [subprocess.Popen(command) for _ in range(WRITERS)]
        assert [child.wait(timeout=60) for child in children] == [0] * WRITERS
        check_chain(place, WRITERS * ENTRIES)


def test_a_fill_that_four_bring_is_stored_once(place: SqlPlace) -> None:
    fills = [make_fill(place.market, name=f"e{number}") for number in range(5)]
    new = run_side_by_side(
        place, lambda ledger, _: ledger.books.executions.record_executions(fills, [])
    )
    assert sorted(new) == [0, 0, 0, 5]  # type: ignore[type-var]
    check_chain(place, 1)


def test_an_order_that_four_want_is_taken_once(place: SqlPlace) -> None:
    place.open().books.decisions.record_decision(
        make_decision(place.market), [make_intent(place.market)]
    )
    taken = run_side_by_side(
        place,
        lambda ledger, _: ledger.books.orders.advance(
            "tg1-a", OrderStatus.INTENT, OrderStatus.SUBMITTING
        ),
    )
    assert sorted(taken) == [False, False, False, True]  # type: ignore[type-var]


def test_a_decision_that_four_take_is_stored_once(place: SqlPlace) -> None:
    def decide(ledger: SqlLedger, writer: int) -> object:
        decision = make_decision(place.market, inputs_fingerprint=f"of {writer}")
        return ledger.books.decisions.record_decision(decision, [make_intent(place.market)])

    kept = run_side_by_side(place, decide)
    stored = place.open().books
    assert kept == [stored.decisions.decision("dec-a")] * WRITERS
    assert len(stored.orders.orders(SESSION)) == 1
