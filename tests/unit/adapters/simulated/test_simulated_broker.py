from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.trading_world import World, make_intent, make_world
from tradegraph_dagster.domain.core.errors import OrderRefused
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import OrderStatus, Venue


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The first session is settled: cash, nothing held."""
    opened = make_world(tmp_path)
    opened.broker.executions(opened.sessions[0])
    return opened


def test_it_is_no_venue(world: World) -> None:
    assert world.broker.venue == Venue(host="", account="", is_live=False)


def test_a_canceled_order_does_not_fill_and_frees_its_shares(world: World) -> None:
    bought = make_intent(world.sessions[1], quantity_shares=500)
    world.broker.submit(bought)
    world.broker.executions(world.sessions[1])
    sell = make_intent(world.sessions[2], quantity_shares=500, side=Side.SELL)
    world.broker.submit(sell)
    canceled = world.broker.cancel(sell.client_order_id)
    assert canceled is not None
    assert canceled.status is OrderStatus.CANCELED
    again = replace(sell, client_order_id="tg1-again")
    world.broker.submit(again)
    fills, _ = world.broker.executions(world.sessions[2])
    assert [fill.client_order_id for fill in fills] == ["tg1-again"]
    assert world.broker.order(sell.client_order_id) == canceled


def test_what_has_ended_is_not_canceled(world: World) -> None:
    intent = make_intent(world.sessions[1])
    world.broker.submit(intent)
    world.broker.executions(world.sessions[1])
    ended = world.broker.cancel(intent.client_order_id)
    assert ended is not None
    assert (ended.status, ended.filled_shares) == (OrderStatus.FILLED, 100)
    assert world.broker.cancel("tg1-nope") is None


def test_a_statement_lists_the_orders_that_may_still_fill(world: World) -> None:
    first = make_intent(world.sessions[1], limit_price=Decimal("10.50"))
    world.broker.submit(first)
    second = make_intent(world.sessions[1], "BBB")
    world.broker.submit(second)
    world.broker.cancel(second.client_order_id)
    (working,) = world.broker.statement(world.sessions[0]).open_orders
    assert working == world.broker.order(first.client_order_id)
    assert (working.symbol, working.side, working.limit_price) == (
        "AAA",
        Side.BUY,
        Decimal("10.50"),
    )
    world.broker.executions(world.sessions[1])
    assert world.broker.statement(world.sessions[1]).open_orders == ()


@pytest.mark.parametrize("limit", ["10.005", "0", "-1"])
def test_a_limit_price_off_the_tick_is_refused(world: World, limit: str) -> None:
    with pytest.raises(OrderRefused, match=r"no multiple of 0\.01"):
        world.broker.submit(make_intent(world.sessions[1], limit_price=Decimal(limit)))


def test_books_of_before_limit_prices_are_read(tmp_path: Path) -> None:
    old = make_world(tmp_path)
    old.broker.executions(old.sessions[0])
    known = make_intent(old.sessions[1])
    old.broker.submit(known)
    with closing(sqlite3.connect(tmp_path / "broker.db")) as connection:
        connection.execute("ALTER TABLE orders DROP COLUMN limit_price")
        connection.commit()
    assert old.broker.submit(known).limit_price is None
    limited = make_intent(old.sessions[1], "BBB", limit_price=Decimal("9.5"))
    assert old.broker.submit(limited).limit_price == Decimal("9.5")
