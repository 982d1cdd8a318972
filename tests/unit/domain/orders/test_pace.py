"""Calls follow each other no faster than gate 20 lets orders pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.trading_world import SYMBOLS, World, make_world
from tradegraph_dagster.domain.orders.pace import Pace
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderIntent, OrderStatus
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy
from tradegraph_dagster.domain.orders.submission import Submission, submit_orders

SLOW = SubmissionPolicy(max_per_second=1, max_per_minute=3)


@given(
    per_second=st.integers(1, 5),
    per_minute=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 3_000).map(lambda ms: ms / 1_000), max_size=80),
)
def test_no_second_and_no_minute_has_more_calls(
    per_second: int, per_minute: int, gaps: list[float]
) -> None:
    pace, now, calls = Pace(max_per_second=per_second, max_per_minute=per_minute), 0.0, []
    for gap in gaps:
        now += gap
        now += pace.delay(now)
        pace.count(now)
        calls.append(now)
    for window, most in ((1.0, per_second), (60.0, per_minute)):
        spans = zip(calls, calls[most:], strict=False)
        assert all(later - earlier > window - 1e-9 for earlier, later in spans)


def test_nobody_waits_below_the_limits() -> None:
    pace = Pace(max_per_second=2, max_per_minute=10)
    assert pace.delay(0.0) == 0
    pace.count(0.0)
    assert pace.delay(0.0) == 0
    pace.count(0.5)
    assert pace.delay(0.75) == 0.25


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Four buys are decided for the second session; it is that morning, long before the open."""
    opened = make_world(tmp_path)
    opened.settle(opened.sessions[0])
    opened.put_weights(opened.sessions[0], dict.fromkeys(SYMBOLS, 0.2))
    opened.decide(opened.sessions[1])
    opened.clock.instant = open_of(opened) - timedelta(minutes=10)
    return opened


def open_of(world: World) -> datetime:
    return world.ws.calendar.open_at(world.sessions[1])


class TimedBroker:
    """Notes when each call came."""

    name = "simulated"

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[datetime] = []

    @property
    def venue(self):
        return self.world.broker.venue

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        self.calls.append(self.world.clock.now())
        return self.world.broker.submit(intent)

    def order(self, client_order_id: str) -> BrokerOrder | None:
        return self.world.broker.order(client_order_id)


def run(world: World, broker: TimedBroker, deadline: datetime | None, **changes) -> Submission:
    records = world.books.orders.orders(world.sessions[1])
    policy = replace(SLOW, **changes)
    return submit_orders(records, world.ports(broker), policy, deadline=deadline)


def statuses(world: World) -> list[OrderStatus]:
    return sorted(one.status for one in world.books.orders.orders(world.sessions[1]))


def test_the_sender_waits_between_calls_beyond_its_patience(world: World) -> None:
    broker = TimedBroker(world)
    start = world.clock.now()
    assert run(world, broker, open_of(world), patience_seconds=0.0).cause is None
    after = [(call - start).total_seconds() for call in broker.calls]
    assert after == pytest.approx([0, 1, 2, 60], abs=1e-3)
    assert statuses(world) == [OrderStatus.ACKED] * 4


def test_a_run_counts_the_calls_of_the_run_before(world: World) -> None:
    broker = TimedBroker(world)
    start = world.clock.now()
    run(world, broker, open_of(world), max_per_minute=180)
    intents = [
        replace(one, status=OrderStatus.INTENT)
        for one in world.books.orders.orders(world.sessions[1])
    ]
    world.clock.advance(timedelta(seconds=1))
    ports = world.ports(broker, holder="run-2")
    submit_orders(intents, ports, SLOW, deadline=open_of(world))
    # The ledger lets none of them out again; the wait comes before it is asked.
    assert (world.clock.now() - start).total_seconds() >= 60


def test_what_cannot_go_out_by_the_deadline_is_denied(world: World) -> None:
    broker = TimedBroker(world)
    deadline = world.clock.now() + timedelta(seconds=30)
    assert run(world, broker, deadline).cause is None
    assert len(broker.calls) == 3
    assert max(broker.calls) < deadline
    assert statuses(world) == [OrderStatus.ACKED] * 3 + [OrderStatus.DENIED]


def test_a_replay_waits_for_nothing(world: World) -> None:
    broker = TimedBroker(world)
    run(world, broker, None)
    assert set(broker.calls) == {open_of(world) - timedelta(minutes=10)}
    assert len(broker.calls) == 4
