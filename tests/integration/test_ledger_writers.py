"""Writers side by side: one chain without a fork or a gap, every fact once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.ledgers import (
    SESSION,
    SqlPlace,
    make_fill,
    make_gated,
    make_order,
    record_orders,
    sql_place,
    take_lease,
)
from tests.support.make_chain import KEY, KEYS
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, open_ledger
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.orders.schema import Commitments, OrderStatus
from tradegraph_dagster.domain.risk.order_gate import GatedDecision

WRITERS = 4
ENTRIES = 20
SENDERS = 8
ORDERS = 400

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

# Orders that no sender touches before the kill switch is engaged, or it might come too late.
LATE_ORDERS = 100

# Sends every order it can until it is held back; all senders hold the same lease. The last of them
# wait for a line on the standard input.
SENDER = """
import sys
from datetime import UTC, datetime, timedelta
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import open_ledger
from tradegraph_dagster.domain.orders.schema import Lease, OrderStatus, SendVerdict, Venue
url, market, number = sys.argv[1:4]
token, late = int(sys.argv[4]), int(sys.argv[5])
now = datetime(2024, 1, 3, 8, tzinfo=UTC)
books = open_ledger(url, market=market, clock=FixedClock(now), audit_key=b"k" * 32).books
lease = Lease("send", "desk", token, now + timedelta(seconds=5))
names = [r.intent.client_order_id for r in books.orders.orders(now.date())]
print("ready", flush=True)
sys.stdin.readline()
print("acquired" if books.leases.acquire("race", number, seconds=600) else "late", flush=True)
for place, name in enumerate(names):
    if place == len(names) - late:
        sys.stdin.readline()
    verdict = books.orders.begin_sending(
        name, OrderStatus.INTENT, lease=lease, venue=Venue()
    ).verdict
    if verdict is SendVerdict.GO:
        print(name, flush=True)
    elif verdict is SendVerdict.HALTED:
        break
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
    assert find_damage(chain, KEYS) is None
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
    booked = run_side_by_side(
        place, lambda ledger, _: ledger.books.executions.record_executions(fills, []).new
    )
    assert sorted(booked) == [0, 0, 0, 5]  # type: ignore[type-var]
    check_chain(place, 1)


def test_a_decision_that_four_take_is_stored_once(place: SqlPlace) -> None:
    kept = run_side_by_side(
        place,
        lambda ledger, writer: record_orders(
            ledger.books, place.market, inputs_fingerprint=f"of {writer}"
        ),
    )
    stored = place.open().books
    assert kept == [stored.decisions.decision("dec-a")] * WRITERS
    assert len(stored.orders.orders(SESSION)) == 1


def test_no_two_decisions_are_taken_on_the_same_cash(place: SqlPlace) -> None:
    """Each is decided on what the others have bound: all sums that are seen differ."""
    seen: list[Decimal] = []

    def decide(ledger: SqlLedger, writer: int) -> None:
        name = f"dec-{writer}"
        order = make_order(name=f"tg1-{writer}", decision_id=name)

        def with_what_is_bound(found: Commitments) -> GatedDecision:
            seen.append(sum(found.reserved_cash.values(), Decimal(0)))
            return make_gated(place.market, order, name=name)

        ledger.books.decisions.record_decision(name, with_what_is_bound, session=SESSION)

    run_side_by_side(place, decide)
    each = Decimal("3033.03")
    assert sorted(seen) == [number * each for number in range(WRITERS)]


def submitting(ledger: SqlLedger) -> set[str]:
    return {
        record.intent.client_order_id
        for record in ledger.books.orders.orders(SESSION)
        if record.status is OrderStatus.SUBMITTING
    }


def test_eight_senders_race_for_a_lease_for_orders_and_against_the_kill_switch(
    place: SqlPlace,
) -> None:
    # As the senders open it: the lease ages by the database's clock.
    ledger = open_ledger(place.url, market=place.market, clock=place.clock, audit_key=KEY)
    names = [f"tg1-{number:03}" for number in range(ORDERS)]
    record_orders(ledger.books, place.market, *(make_order(name=name) for name in names))
    lease = take_lease(ledger.books, seconds=600)
    command = [sys.executable, "-c", SENDER, place.url, place.market]
    senders = [
        subprocess.Popen(
            [*command, str(number), str(lease.token), str(LATE_ORDERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(SENDERS)
    ]
    for sender in senders:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    # Until some are under way. The others go on while the switch is engaged.
    while len(submitting(ledger)) < SENDERS:
        assert [sender.poll() for sender in senders] == [None] * SENDERS
    ledger.books.kill_switch.engage(reason="enough", actor="ann")
    said = [sender.communicate("go on\n", timeout=120)[0].splitlines() for sender in senders]
    assert [sender.returncode for sender in senders] == [0] * SENDERS
    assert [lines[0] for lines in said].count("acquired") == 1
    sent = [line for lines in said for line in lines[1:] if line.startswith("tg1-")]
    found = submitting(ledger)
    assert len(sent) == len(set(sent))
    assert set(sent) == found
    assert SENDERS <= len(found) <= ORDERS - LATE_ORDERS
    events = [entry.event for entry in ledger.audit.entries()]
    engaged = events.index("kill_switch_engaged")
    assert "order_submitting" not in events[engaged:]
    assert events[engaged:].count("order_held_back") == SENDERS
    assert find_damage(ledger.audit.entries(), KEYS) is None
    ledger.close()
