"""What every broker does, in numbered cases; a broker file is found by its folder.

A broker that fills from a venue joins by a `make_<adapter>` function that opens it in a world whose
next session can be settled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import tradegraph_dagster.adapters as adapters
from tests.support.trading_world import World, make_intent, make_world
from tradegraph_dagster.adapters.memory.ledger import MemoryKillSwitch
from tradegraph_dagster.adapters.simulated.broker import SimulatedBroker
from tradegraph_dagster.adapters.simulated.options import OPTIONS
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    InvariantBroken,
    MissingSession,
    OrderRefused,
    StoreUnavailable,
    TradingHalted,
)
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.schema import OrderStatus

MAKERS: dict[str, Callable[[Path], World]] = {"simulated": make_world}


def broker_names() -> list[str]:
    folder = Path(next(iter(adapters.__path__)))
    return sorted(path.parent.name for path in folder.glob("*/broker.py"))


def test_every_broker_is_under_test() -> None:
    assert sorted(MAKERS) == broker_names()


@pytest.fixture(params=broker_names())
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """The first session is settled: cash, nothing held."""
    opened = MAKERS[request.param](tmp_path)
    opened.broker.executions(opened.sessions[0])
    return opened


def reopen(world: World, folder: Path) -> SimulatedBroker:
    switch = world.books.kill_switch
    return SimulatedBroker(folder / "broker.db", world.ws, switch, OPTIONS())


def buy_and_settle(world: World, shares: int = 1_000) -> None:
    world.broker.submit(make_intent(world.sessions[1], quantity_shares=shares))
    world.broker.executions(world.sessions[1])


def test_01_an_accepted_order_is_known_by_our_id(world: World) -> None:
    intent = make_intent(world.sessions[1], quantity_shares=200)
    answer = world.broker.submit(intent)
    assert answer.status is OrderStatus.ACKED
    assert (answer.client_order_id, answer.quantity_shares) == (intent.client_order_id, 200)
    assert world.broker.order(intent.client_order_id) == answer


def test_02_an_order_it_never_saw_is_none(world: World) -> None:
    assert world.broker.order("tg1-nope") is None


def test_03_submitting_twice_gives_one_order(world: World) -> None:
    intent = make_intent(world.sessions[1])
    assert world.broker.submit(intent) == world.broker.submit(intent)
    assert len(world.broker.executions(world.sessions[1])[0]) == 1
    assert world.broker.submit(intent).status is OrderStatus.FILLED


def test_04_an_id_with_other_content_is_an_incident(world: World) -> None:
    intent = make_intent(world.sessions[1])
    world.broker.submit(intent)
    with pytest.raises(InvariantBroken):
        world.broker.submit(replace(intent, quantity_shares=200))


@pytest.mark.parametrize("shares", [0, -100, 50, 150, 2_000_000])
def test_05_an_illegal_size_is_refused(world: World, shares: int) -> None:
    intent = make_intent(world.sessions[1], quantity_shares=shares)
    with pytest.raises(OrderRefused, match="no legal buy"):
        world.broker.submit(intent)
    assert world.broker.order(intent.client_order_id) is None


def test_06_an_unknown_symbol_and_another_market_are_refused(world: World) -> None:
    with pytest.raises(OrderRefused, match="not listed"):
        world.broker.submit(make_intent(world.sessions[1], "ZZZ"))
    with pytest.raises(OrderRefused, match="trades plain"):
        world.broker.submit(make_intent(world.sessions[1], market="us"))


def test_07_a_session_that_is_over_or_none_is_refused(world: World) -> None:
    for session in (world.sessions[0], date(2023, 1, 7)):
        with pytest.raises(OrderRefused, match="session is closed"):
            world.broker.submit(make_intent(session))


def test_08_more_than_is_held_cannot_be_sold(world: World) -> None:
    buy_and_settle(world)
    sell = make_intent(world.sessions[2], quantity_shares=1_100, side=Side.SELL)
    with pytest.raises(OrderRefused, match="1000 can be sold"):
        world.broker.submit(sell)
    world.broker.submit(replace(sell, quantity_shares=600))
    with pytest.raises(OrderRefused, match="400 can be sold"):
        world.broker.submit(replace(sell, quantity_shares=500, client_order_id="second"))


def test_09_what_is_bought_in_a_session_is_not_sold_in_it(world: World) -> None:
    world.broker.submit(make_intent(world.sessions[1], quantity_shares=500))
    with pytest.raises(OrderRefused, match="0 can be sold"):
        world.broker.submit(
            make_intent(world.sessions[1], quantity_shares=500, side=Side.SELL, name="sell")
        )


def test_10_bonus_shares_can_be_sold_on_the_ex_date(world: World) -> None:
    buy_and_settle(world)
    world.put_actions(world.sessions[2], {"symbol": "AAA", "bonus_ratio": 0.5})
    world.broker.submit(make_intent(world.sessions[2], quantity_shares=1_500, side=Side.SELL))
    fills, _ = world.broker.executions(world.sessions[2])
    assert [fill.quantity_shares for fill in fills] == [1_500]
    assert world.broker.statement(world.sessions[2]).positions == {}


@pytest.mark.parametrize("readable", [True, False])
def test_11_nothing_is_accepted_while_the_kill_switch_is_engaged(
    world: World, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(self: MemoryKillSwitch) -> None:
        raise StoreUnavailable("no database")

    known = make_intent(world.sessions[1], name="known")
    world.broker.submit(known)
    if readable:
        world.books.kill_switch.engage(reason="drill", actor="test")
    else:
        monkeypatch.setattr(MemoryKillSwitch, "engaged", unreadable)
    fresh = make_intent(world.sessions[1], name="fresh")
    with pytest.raises(TradingHalted):
        world.broker.submit(fresh)
    assert world.broker.order("fresh") is None
    assert world.broker.submit(known).status is OrderStatus.ACKED


def test_12_a_thin_session_fills_a_part_and_the_rest_expires(world: World) -> None:
    here = pl.col("session") == world.sessions[1]
    thin = pl.when(here).then(3_000.0).otherwise(pl.col("volume"))
    world.put_bars(world.bars.with_columns(volume=thin))
    intent = make_intent(world.sessions[1], quantity_shares=1_000)
    world.broker.submit(intent)
    fills, _ = world.broker.executions(world.sessions[1])
    after = world.broker.order(intent.client_order_id)
    assert after is not None
    assert [fill.quantity_shares for fill in fills] == [300]
    assert (after.status, after.filled_shares) == (OrderStatus.EXPIRED, 300)
    assert "volume" in after.reason


def test_13_settling_twice_gives_the_same_answer(world: World, tmp_path: Path) -> None:
    buy_and_settle(world)
    first = world.broker.executions(world.sessions[1])
    statement = world.broker.statement(world.sessions[1])
    world.put_bars(world.bars.with_columns(pl.col("raw_open") * 2))
    assert world.broker.executions(world.sessions[1]) == first
    other = reopen(world, tmp_path)
    assert other.executions(world.sessions[1]) == first
    assert other.statement(world.sessions[1]) == statement


def test_14_the_statement_is_what_its_executions_add_up_to(world: World) -> None:
    buy_and_settle(world)
    world.put_actions(world.sessions[2], {"symbol": "AAA", "cash_per_share": 0.1})
    world.broker.submit(make_intent(world.sessions[2], "BBB", 300))
    all_fills, all_bookings = [], []
    for session in world.sessions[:3]:
        fills, bookings = world.broker.executions(session)
        all_fills += fills
        all_bookings += bookings
        statement = world.broker.statement(session)
        book = executions_to_book(all_fills, all_bookings, session=session, unsellable_sessions=1)
        held = {name: one.quantity_shares for name, one in book.positions.items()}
        assert (statement.positions, statement.cash) == (held, book.cash)
    assert [one.kind for one in all_bookings] == ["deposit", "dividend"]


def test_15_a_statement_of_an_open_session_is_missing(world: World) -> None:
    with pytest.raises(MissingSession):
        world.broker.statement(world.sessions[1])


def test_16_sessions_are_settled_one_after_another(world: World) -> None:
    with pytest.raises(MissingSession, match="expected 2023-01-03"):
        world.broker.executions(world.sessions[2])


def test_17_a_session_without_data_is_not_settled(world: World) -> None:
    for session in world.sessions[1:]:
        world.broker.executions(session)
    following = world.ws.calendar.following(world.sessions[-1])
    with pytest.raises(MissingSession, match="corporate_actions"):
        world.broker.executions(following)
    with pytest.raises(MissingSession):
        world.broker.statement(following)


def test_18_what_executes_names_its_order_session_and_market(world: World) -> None:
    intent = make_intent(world.sessions[1])
    world.broker.submit(intent)
    (fill,), _ = world.broker.executions(world.sessions[1])
    assert (fill.client_order_id, fill.session, fill.market, fill.broker) == (
        intent.client_order_id,
        world.sessions[1],
        "plain",
        world.broker.name,
    )
    assert fill.filled_at.utcoffset() is not None


def test_19_orders_before_the_first_settlement_wait_for_their_session(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.broker.submit(make_intent(world.sessions[1]))
    with pytest.raises(MissingSession, match="orders of 2023-01-03 wait"):
        world.broker.executions(world.sessions[2])
    fills, bookings = world.broker.executions(world.sessions[1])
    assert (len(fills), [one.kind for one in bookings]) == (1, ["deposit"])


def test_20_books_that_cannot_be_opened_change_nothing(world: World, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    broker = SimulatedBroker(blocked / "broker.db", world.ws, world.books.kill_switch, OPTIONS())
    with pytest.raises(BrokerUnavailable, match="nothing was changed"):
        broker.submit(make_intent(world.sessions[1]))
