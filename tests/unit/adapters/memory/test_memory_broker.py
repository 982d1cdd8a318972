"""What can be told to the memory broker; what every broker does is in the contract suite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.broker_worlds import BrokerWorld, open_memory
from tradegraph_dagster.adapters.memory.broker import MemoryBroker
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus

PRICE = Decimal("10.00")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[BrokerWorld]:
    with open_memory(tmp_path) as world:
        world.close(0)
        world.broker.submit(world.intent(limit="10.00"))
        world.open(1)
        yield world


def told(world: BrokerWorld) -> MemoryBroker:
    assert isinstance(world.broker, MemoryBroker)
    return world.broker


def order_of(world: BrokerWorld) -> BrokerOrder:
    order = world.broker.order("tg1-one")
    assert order is not None
    return order


def test_fills_add_up_until_the_order_is_full(at: BrokerWorld) -> None:
    told(at).fill("tg1-one", 40, PRICE)
    assert (order_of(at).status, order_of(at).filled_shares) == (OrderStatus.PARTIAL, 40)
    told(at).fill("tg1-one", 60, PRICE)
    assert (order_of(at).status, order_of(at).filled_shares) == (OrderStatus.FILLED, 100)


def test_a_fill_after_the_end_and_one_too_many_are_facts(at: BrokerWorld) -> None:
    at.broker.cancel("tg1-one")
    told(at).fill("tg1-one", 30, PRICE)
    assert (order_of(at).status, order_of(at).filled_shares) == (OrderStatus.CANCELED, 30)
    told(at).fill("tg1-one", 100, PRICE)
    assert (order_of(at).status, order_of(at).filled_shares) == (OrderStatus.FILLED, 130)


def test_a_bust_is_a_record_of_its_own_and_undoes_all_of_it(at: BrokerWorld) -> None:
    fill = told(at).fill("tg1-one", 100, PRICE, fee=Decimal("0.35"))
    bust = told(at).bust(fill.execution_id)
    assert bust == replace(fill, execution_id=bust.execution_id, busts=fill.execution_id)
    at.close(1)
    assert at.broker.executions(at.sessions[1])[0] == [fill, bust]
    statement = at.broker.statement(at.sessions[1])
    assert (statement.positions, statement.cash) == ({}, Decimal(1_000_000))


@pytest.mark.parametrize(("shares", "price"), [(0, "10.00"), (-1, "10.00"), (1, "0"), (1, "10.01")])
def test_a_fill_that_cannot_be_is_refused(at: BrokerWorld, shares: int, price: str) -> None:
    with pytest.raises(InvariantBroken):
        told(at).fill("tg1-one", shares, Decimal(price))
    assert order_of(at).filled_shares == 0


def test_a_sale_below_its_limit_is_refused(at: BrokerWorld) -> None:
    at.broker.submit(at.intent(name="tg1-sale", side=Side.SELL, limit="10.00"))
    with pytest.raises(InvariantBroken):
        told(at).fill("tg1-sale", 1, Decimal("9.99"))


def test_what_is_not_known_cannot_be_told_of(at: BrokerWorld) -> None:
    with pytest.raises(InvariantBroken, match="expected a known order"):
        told(at).fill("tg1-nope", 1, PRICE)
    with pytest.raises(InvariantBroken, match="expected a known execution"):
        told(at).bust("nope")
    with pytest.raises(InvariantBroken, match="expected the end of"):
        told(at).end("tg1-one", OrderStatus.PARTIAL)


def test_a_rejection_says_why(at: BrokerWorld) -> None:
    ended = told(at).end("tg1-one", OrderStatus.REJECTED, "no such thing")
    assert (order_of(at).status, order_of(at).reason) == (ended.status, "no such thing")


def test_bookings_reach_the_statement(at: BrokerWorld) -> None:
    told(at).book(at.sessions[1], "dividend", symbol="AAA", cash=Decimal("1.23"))
    told(at).book(at.sessions[1], "bonus", symbol="AAA", shares=5)
    at.close(1)
    statement = at.broker.statement(at.sessions[1])
    assert (statement.positions, statement.cash) == ({"AAA": 5}, Decimal("1000001.23"))
    assert [one.kind for one in at.broker.executions(at.sessions[1])[1]] == ["dividend", "bonus"]
