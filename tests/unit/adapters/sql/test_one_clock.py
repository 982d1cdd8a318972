"""Leases age by the database's clock: what the clocks of its users say does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.ledgers import NOW, SqlPlace, make_order, record_orders, sql_place
from tests.support.make_chain import KEY
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.engine import read_time, writing
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, open_ledger
from tradegraph_dagster.domain.orders.schema import OrderStatus, SendVerdict, Venue

HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlPlace]:
    with sql_place(request.param, tmp_path) as where:
        yield where


@pytest.fixture
def users(place: SqlPlace) -> Iterator[list[SqlLedger]]:
    """Three users of one ledger: one is right, one an hour ahead, one an hour behind."""
    opened = [
        open_ledger(place.url, market=place.market, clock=FixedClock(now), audit_key=KEY)
        for now in (NOW, NOW + HOUR, NOW - HOUR)
    ]
    yield opened
    for ledger in opened:
        ledger.close()


def test_nobody_takes_a_lease_that_holds(users: list[SqlLedger]) -> None:
    for number, holder in enumerate(users):
        name = f"right {number}"
        held = holder.books.leases.acquire(name, "holder", seconds=600)
        assert held is not None
        for other in users:
            assert other.books.leases.acquire(name, "other", seconds=600) is None
        renewed = holder.books.leases.renew(held, seconds=600)
        assert renewed is not None
        assert renewed.expires_at >= held.expires_at


def test_one_that_has_lapsed_is_free_to_all(users: list[SqlLedger]) -> None:
    tokens = []
    for ledger in (*users, *users):
        taken = ledger.books.leases.acquire("send", f"holder {len(tokens)}", seconds=-1)
        assert taken is not None
        tokens.append(taken.token)
    assert tokens == [1, 2, 3, 4, 5, 6]


def test_a_call_is_permitted_whatever_the_senders_clock_says(
    place: SqlPlace, users: list[SqlLedger]
) -> None:
    for number, ledger in enumerate(users):
        name = f"tg1-{number}"
        order = make_order(name=name, decision_id=name)
        record_orders(ledger.books, place.market, order, name=name)
        lease = ledger.books.leases.acquire(name, "holder", seconds=600)
        assert lease is not None
        permit = ledger.books.orders.begin_sending(
            name, OrderStatus.INTENT, lease=lease, venue=Venue()
        )
        assert permit.verdict is SendVerdict.GO


def test_the_databases_clock_is_an_instant_of_now(users: list[SqlLedger]) -> None:
    with writing(users[0].engine, "any") as first:
        began = read_time(first)
    with writing(users[0].engine, "any") as second:
        ended = read_time(second)
    assert began.utcoffset() == timedelta(0)
    assert began <= ended < began + HOUR
    assert began > NOW
