"""What every broker does, in numbered cases; a broker file is found by its folder.

Each broker is moved through sessions by its world in `tests/support/broker_worlds.py`. What only
the simulated venue does has a section of its own, further down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tradegraph_dagster.adapters as adapters
from tests.support.broker_worlds import OPENERS, OPENING_CASH, BrokerWorld
from tests.support.trading_world import World, make_intent, make_world
from tradegraph_dagster.adapters.memory.ledger import MemoryKillSwitch
from tradegraph_dagster.adapters.simulated.broker import SimulatedBroker
from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS
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
from tradegraph_dagster.domain.orders.ports import BrokerSetup
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus


def broker_names() -> list[str]:
    folder = Path(next(iter(adapters.__path__)))
    return sorted(path.parent.name for path in folder.glob("*/broker.py"))


def test_every_broker_is_under_test() -> None:
    assert sorted(OPENERS) == broker_names()


@pytest.fixture(params=broker_names())
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerWorld]:
    """The first session is closed: cash, nothing held."""
    with OPENERS[request.param](tmp_path) as world:
        world.close(0)
        yield world


def facts(order: BrokerOrder | None) -> tuple[Any, ...]:
    """What of an order does not depend on when it was asked for."""
    assert order is not None
    return (
        order.client_order_id,
        order.broker_order_id,
        order.symbol,
        order.side,
        order.quantity_shares,
        order.limit_price,
    )


def status_of(world: BrokerWorld, name: str = "tg1-one") -> tuple[OrderStatus, int]:
    order = world.broker.order(name)
    assert order is not None
    return order.status, order.filled_shares


class TestEveryBroker:
    def test_01_an_accepted_order_is_known_by_our_id(self, at: BrokerWorld) -> None:
        intent = at.intent(shares=200, limit="12.34")
        answer = at.broker.submit(intent)
        assert answer.status is OrderStatus.ACKED
        assert (answer.client_order_id, answer.quantity_shares) == ("tg1-one", 200)
        assert (answer.symbol, answer.side) == (intent.symbol, Side.BUY)
        assert answer.limit_price == Decimal("12.34")
        assert answer.broker_order_id
        assert facts(at.broker.order("tg1-one")) == facts(answer)

    def test_02_an_order_it_never_saw_is_none(self, at: BrokerWorld) -> None:
        assert at.broker.order("tg1-nope") is None
        assert at.broker.cancel("tg1-nope") is None

    def test_03_submitting_twice_gives_one_order(self, at: BrokerWorld) -> None:
        intent = at.intent()
        assert facts(at.broker.submit(intent)) == facts(at.broker.submit(intent))
        at.run_session(1, "10.00", 1_000)
        fills, _ = at.broker.executions(at.sessions[1])
        assert [fill.quantity_shares for fill in fills] == [100]
        assert at.broker.statement(at.sessions[1]).positions == {intent.symbol: 100}

    @pytest.mark.parametrize(
        "changes",
        [
            {"quantity_shares": 200},
            {"side": Side.SELL},
            {"limit_price": Decimal("11.00")},
            {"limit_price": None},
        ],
    )
    def test_04_an_id_with_other_content_is_an_incident(
        self, at: BrokerWorld, changes: dict[str, Any]
    ) -> None:
        intent = at.intent(limit="10.00")
        known = at.broker.submit(intent)
        with pytest.raises(InvariantBroken):
            at.broker.submit(replace(intent, **changes))
        with pytest.raises(InvariantBroken):
            at.broker.submit(replace(intent, symbol=at.symbols[1]))
        assert facts(at.broker.order("tg1-one")) == facts(known)

    @pytest.mark.parametrize("shares", [0, -100])
    def test_05_an_order_for_nothing_is_refused(self, at: BrokerWorld, shares: int) -> None:
        with pytest.raises(OrderRefused):
            at.broker.submit(at.intent(shares=shares))
        assert at.broker.order("tg1-one") is None

    def test_06_an_order_of_another_market_is_refused(self, at: BrokerWorld) -> None:
        with pytest.raises(OrderRefused, match=f"trades {at.market}"):
            at.broker.submit(replace(at.intent(), market="other"))
        assert at.broker.order("tg1-one") is None

    def test_07_a_session_that_is_over_or_none_is_refused(self, at: BrokerWorld) -> None:
        saturday = at.sessions[1]
        while at.setup.workspace.calendar.is_session(saturday):
            saturday += timedelta(days=1)
        for session in (at.sessions[0], saturday):
            with pytest.raises(OrderRefused, match="session is closed"):
                at.broker.submit(replace(at.intent(), session=session))
        assert at.broker.order("tg1-one") is None

    @pytest.mark.parametrize("readable", [True, False])
    def test_08_nothing_arrives_while_the_kill_switch_is_engaged(
        self, at: BrokerWorld, readable: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreadable(self: MemoryKillSwitch) -> None:
            raise StoreUnavailable("no database")

        at.broker.submit(at.intent(name="tg1-known"))
        if readable:
            at.setup.kill_switch.engage(reason="drill", actor="test")
        else:
            monkeypatch.setattr(MemoryKillSwitch, "engaged", unreadable)
        with pytest.raises(TradingHalted, match="nothing was sent"):
            at.broker.submit(at.intent())
        assert at.broker.order("tg1-one") is None
        assert at.broker.cancel("tg1-known") is not None

    def test_09_an_order_fills_and_its_fill_names_it(self, at: BrokerWorld) -> None:
        intent = at.intent(shares=300)
        at.broker.submit(intent)
        at.run_session(1, "10.05", 1_000)
        (fill,), _ = at.broker.executions(at.sessions[1])
        assert (fill.client_order_id, fill.session, fill.market, fill.broker) == (
            "tg1-one",
            at.sessions[1],
            at.market,
            at.broker.name,
        )
        assert (fill.symbol, fill.side, fill.busts) == (intent.symbol, Side.BUY, "")
        assert (fill.quantity_shares, fill.price) == (300, Decimal("10.05"))
        assert fill.execution_id
        assert fill.filled_at.utcoffset() == timedelta(0)
        assert status_of(at) == (OrderStatus.FILLED, 300)

    def test_10_an_order_canceled_before_it_fills_executes_nothing(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent())
        answer = at.broker.cancel("tg1-one")
        assert answer is not None
        assert answer.status in (OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED)
        at.run_session(1, "10.00", 1_000)
        assert status_of(at) == (OrderStatus.CANCELED, 0)
        assert at.broker.executions(at.sessions[1])[0] == []
        assert at.broker.statement(at.sessions[1]).positions == {}

    def test_11_an_order_that_has_ended_is_returned_as_it_is(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent())
        at.run_session(1, "10.00", 1_000)
        answer = at.broker.cancel("tg1-one")
        assert answer is not None
        assert (answer.status, answer.filled_shares) == (OrderStatus.FILLED, 100)
        assert status_of(at) == (OrderStatus.FILLED, 100)

    def test_12_a_submitted_order_that_has_filled_is_not_sent_again(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent(shares=200))
        at.open(1)
        at.trade("10.00", 200)
        again = at.broker.submit(at.intent(shares=200))
        at.close(1)
        assert again.client_order_id == "tg1-one"
        assert len(at.broker.executions(at.sessions[1])[0]) == 1

    def test_13_a_thin_session_fills_a_part_and_the_rest_expires(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent(shares=1_000))
        at.run_session(1, "10.00", 300)
        fills, _ = at.broker.executions(at.sessions[1])
        assert [fill.quantity_shares for fill in fills] == [300]
        assert status_of(at) == (OrderStatus.EXPIRED, 300)
        order = at.broker.order("tg1-one")
        assert order is not None
        assert order.reason

    def test_14_an_order_that_nobody_meets_expires(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent())
        at.open(1)
        at.close(1)
        assert at.broker.executions(at.sessions[1])[0] == []
        assert status_of(at) == (OrderStatus.EXPIRED, 0)

    def test_15_asking_again_gives_the_same_answer(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent(shares=500))
        at.run_session(1, "10.00", 500)
        executions = at.broker.executions(at.sessions[1])
        statement = at.broker.statement(at.sessions[1])
        assert executions[0]
        for broker in (at.broker, at.reopen()):
            assert broker.executions(at.sessions[1]) == executions
            assert broker.statement(at.sessions[1]) == statement
            assert broker.order("tg1-one") == at.broker.order("tg1-one")

    def test_16_a_session_that_has_not_closed_has_no_executions(self, at: BrokerWorld) -> None:
        with pytest.raises(MissingSession):
            at.broker.executions(at.sessions[2])
        with pytest.raises(MissingSession):
            at.broker.statement(at.sessions[1])

    def test_17_the_books_open_with_the_cash_there_was(self, at: BrokerWorld) -> None:
        fills, bookings = at.broker.executions(at.sessions[0])
        assert not fills
        assert [(one.kind, one.cash, one.shares) for one in bookings] == [
            ("deposit", OPENING_CASH, 0)
        ]
        statement = at.broker.statement(at.sessions[0])
        assert (statement.positions, statement.cash) == ({}, OPENING_CASH)

    def test_18_statements_are_what_executions_add_up_to_to_the_cent(self, at: BrokerWorld) -> None:
        first, second = at.symbols
        at.broker.submit(at.intent(1, 700, name="tg1-a"))
        at.broker.submit(at.intent(1, 300, name="tg1-b", symbol=second))
        at.open(1)
        at.trade("10.07", 700)
        at.trade("33.33", 300, symbol=second)
        at.close(1)
        at.broker.submit(at.intent(2, 200, name="tg1-c", side=Side.SELL))
        at.run_session(2, "11.11", 200)
        all_fills, all_bookings = [], []
        for session in at.sessions[:3]:
            fills, bookings = at.broker.executions(session)
            all_fills += fills
            all_bookings += bookings
            statement = at.broker.statement(session)
            book = executions_to_book(
                all_fills, all_bookings, session=session, unsellable_sessions=1
            )
            held = {name: one.quantity_shares for name, one in book.positions.items()}
            assert (statement.positions, statement.cash) == (held, book.cash)
        assert statement.positions == {first: 500, second: 300}
        paid = Decimal("10.07") * 700 + Decimal("33.33") * 300 - Decimal("11.11") * 200
        assert statement.cash == OPENING_CASH - paid - sum(fill.fee for fill in all_fills)
        assert all(fill.fee == fill.fee.quantize(Decimal("0.01")) for fill in all_fills)

    @pytest.mark.parametrize(
        ("side", "limit", "price", "filled"),
        [
            (Side.BUY, "10.00", "10.01", 0),
            (Side.BUY, "10.00", "10.00", 100),
            (Side.BUY, "10.00", "9.99", 100),
            (Side.SELL, "10.00", "9.99", 0),
            (Side.SELL, "10.00", "10.00", 100),
            (Side.SELL, "10.00", "10.01", 100),
        ],
    )
    def test_19_no_fill_is_worse_than_the_limit(
        self, at: BrokerWorld, side: Side, limit: str, price: str, filled: int
    ) -> None:
        at.broker.submit(at.intent(1, 100, name="tg1-stock"))
        at.run_session(1, "10.00", 100)
        at.broker.submit(at.intent(2, 100, side=side, limit=limit))
        at.run_session(2, price, 1_000)
        fills, _ = at.broker.executions(at.sessions[2])
        assert sum(fill.quantity_shares for fill in fills) == filled
        for fill in fills:
            good = (
                fill.price <= Decimal(limit) if side is Side.BUY else fill.price >= Decimal(limit)
            )
            assert good
        assert status_of(at)[1] == filled

    def test_20_the_statement_lists_what_may_still_fill(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent(1, 100, name="tg1-b"))
        at.broker.submit(at.intent(1, 200, name="tg1-a"))
        at.broker.submit(at.intent(1, 300, name="tg1-c"))
        at.broker.cancel("tg1-c")
        orders = at.broker.statement(at.sessions[0]).open_orders
        assert [(one.client_order_id, one.quantity_shares) for one in orders] == [
            ("tg1-a", 200),
            ("tg1-b", 100),
        ]
        assert all(one.status is OrderStatus.ACKED for one in orders)
        at.run_session(1, "10.00", 1_000)
        assert at.broker.statement(at.sessions[1]).open_orders == ()

    def test_21_it_says_where_orders_go_and_that_it_is_no_real_money(self, at: BrokerWorld) -> None:
        assert not at.broker.venue.is_live
        assert at.broker.venue == at.reopen().venue

    def test_22_an_execution_is_of_its_session_only(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent(1, name="tg1-a"))
        at.run_session(1, "10.00", 100)
        at.broker.submit(at.intent(2, name="tg1-b"))
        at.run_session(2, "10.00", 100)
        names = [
            [fill.client_order_id for fill in at.broker.executions(session)[0]]
            for session in at.sessions[:3]
        ]
        assert names == [[], ["tg1-a"], ["tg1-b"]]
        identities = {
            fill.execution_id
            for session in at.sessions[:3]
            for fill in at.broker.executions(session)[0]
        }
        assert len(identities) == 2

    def test_23_a_statement_stays_that_of_its_session(self, at: BrokerWorld) -> None:
        at.broker.submit(at.intent(1, name="tg1-a"))
        at.run_session(1, "10.00", 100)
        held = at.broker.statement(at.sessions[1])
        at.broker.submit(at.intent(2, 200, name="tg1-b"))
        at.run_session(2, "12.00", 200)
        later = at.broker.statement(at.sessions[1])
        assert (later.positions, later.cash) == (held.positions, held.cash)
        assert at.broker.statement(at.sessions[2]).positions == {at.symbols[0]: 300}


# What the simulated venue does, and no other.


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The first session is settled: cash, nothing held."""
    opened = make_world(tmp_path)
    opened.broker.executions(opened.sessions[0])
    return opened


def reopen(world: World, path: Path) -> SimulatedBroker:
    setup = BrokerSetup(path, world.ws, world.books.kill_switch, world.clock)
    return SimulatedBroker(setup, OPTIONS())


def buy_and_settle(world: World, shares: int = 1_000) -> None:
    world.broker.submit(make_intent(world.sessions[1], quantity_shares=shares))
    world.broker.executions(world.sessions[1])


@pytest.mark.parametrize("shares", [0, -100, 50, 150, 2_000_000])
def test_31_an_illegal_size_is_refused(world: World, shares: int) -> None:
    intent = make_intent(world.sessions[1], quantity_shares=shares)
    with pytest.raises(OrderRefused, match="no legal buy"):
        world.broker.submit(intent)
    assert world.broker.order(intent.client_order_id) is None


def test_32_an_unknown_symbol_and_another_market_are_refused(world: World) -> None:
    with pytest.raises(OrderRefused, match="not listed"):
        world.broker.submit(make_intent(world.sessions[1], "ZZZ"))
    with pytest.raises(OrderRefused, match="trades plain"):
        world.broker.submit(make_intent(world.sessions[1], market="us"))


def test_33_more_than_is_held_cannot_be_sold(world: World) -> None:
    buy_and_settle(world)
    sell = make_intent(world.sessions[2], quantity_shares=1_100, side=Side.SELL)
    with pytest.raises(OrderRefused, match="1000 can be sold"):
        world.broker.submit(sell)
    world.broker.submit(replace(sell, quantity_shares=600))
    with pytest.raises(OrderRefused, match="400 can be sold"):
        world.broker.submit(replace(sell, quantity_shares=500, client_order_id="second"))


def test_34_what_is_bought_in_a_session_is_not_sold_in_it(world: World) -> None:
    world.broker.submit(make_intent(world.sessions[1], quantity_shares=500))
    with pytest.raises(OrderRefused, match="0 can be sold"):
        world.broker.submit(
            make_intent(world.sessions[1], quantity_shares=500, side=Side.SELL, name="sell")
        )


def test_35_bonus_shares_can_be_sold_on_the_ex_date(world: World) -> None:
    buy_and_settle(world)
    world.put_actions(world.sessions[2], {"symbol": "AAA", "bonus_ratio": 0.5})
    world.broker.submit(make_intent(world.sessions[2], quantity_shares=1_500, side=Side.SELL))
    fills, _ = world.broker.executions(world.sessions[2])
    assert [fill.quantity_shares for fill in fills] == [1_500]
    assert world.broker.statement(world.sessions[2]).positions == {}


def test_36_settling_twice_gives_the_same_answer(world: World, tmp_path: Path) -> None:
    buy_and_settle(world)
    first = world.broker.executions(world.sessions[1])
    statement = world.broker.statement(world.sessions[1])
    world.put_bars(world.bars.with_columns(pl.col("raw_open") * 2))
    assert world.broker.executions(world.sessions[1]) == first
    other = reopen(world, tmp_path / "broker.db")
    assert other.executions(world.sessions[1]) == first
    assert other.statement(world.sessions[1]) == statement


def test_37_the_statement_is_what_its_executions_add_up_to(world: World) -> None:
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


def test_38_sessions_are_settled_one_after_another(world: World) -> None:
    with pytest.raises(MissingSession, match="expected 2023-01-03"):
        world.broker.executions(world.sessions[2])


def test_39_a_session_without_data_is_not_settled(world: World) -> None:
    for session in world.sessions[1:]:
        world.broker.executions(session)
    following = world.ws.calendar.following(world.sessions[-1])
    with pytest.raises(MissingSession, match="corporate_actions"):
        world.broker.executions(following)
    with pytest.raises(MissingSession):
        world.broker.statement(following)


def test_40_orders_before_the_first_settlement_wait_for_their_session(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.broker.submit(make_intent(world.sessions[1]))
    with pytest.raises(MissingSession, match="orders of 2023-01-03 wait"):
        world.broker.executions(world.sessions[2])
    fills, bookings = world.broker.executions(world.sessions[1])
    assert (len(fills), [one.kind for one in bookings]) == (1, ["deposit"])


def test_41_books_that_cannot_be_opened_change_nothing(world: World, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    broker = reopen(world, blocked / "broker.db")
    with pytest.raises(BrokerUnavailable, match="nothing was changed"):
        broker.submit(make_intent(world.sessions[1]))
