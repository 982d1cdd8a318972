"""What was decided on a book that has changed since is not sent unseen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.trading_world import World, make_world
from tradegraph_dagster.domain.core.errors import OrderStateUnknown, TradingHalted
from tradegraph_dagster.domain.orders.book_changes import stale_orders
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    BrokerOrder,
    Fill,
    Incident,
    IncidentKind,
    OrderIntent,
    OrderRecord,
    OrderStatus,
    TradingMode,
    Venue,
)
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy

CHANGED = "the book changed since the decision: "


@dataclass
class TakingBroker:
    """Takes every order, but for the first answers that get lost on their way."""

    name: str = "simulated"
    lost: int = 0
    taken: dict[str, BrokerOrder] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)

    @property
    def venue(self) -> Venue:
        return Venue()

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        self.sent.append((intent.side.value, intent.symbol))
        if len(self.sent) <= self.lost:
            raise OrderStateUnknown("timed out")
        name, shares = intent.client_order_id, intent.quantity_shares
        self.taken[name] = BrokerOrder(name, f"b-{name}", OrderStatus.ACKED, shares, 0)
        return self.taken[name]

    def order(self, client_order_id: str) -> BrokerOrder | None:
        return self.taken.get(client_order_id)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """AAA and BBB are held; AAA is to be sold, BBB to be cut and CCC to be bought."""
    opened = make_world(tmp_path)
    first, second, third = opened.sessions[:3]
    opened.settle(first)
    opened.trade(second, {"AAA": 0.2, "BBB": 0.2})
    opened.put_weights(second, {"BBB": 0.1, "CCC": 0.2})
    opened.decide(third)
    return opened


def today(world: World) -> date:
    return world.sessions[2]


def orders(world: World) -> dict[str, OrderRecord]:
    return {record.intent.symbol: record for record in world.books.orders.orders(today(world))}


def statuses(world: World) -> dict[str, str]:
    return {symbol: record.status.value for symbol, record in orders(world).items()}


def bought(world: World, symbol: str) -> Fill:
    (found,) = (
        fill for fill in world.books.executions.fills(world.sessions[1]) if fill.symbol == symbol
    )
    return found


def book(world: World, *fills: Fill) -> None:
    assert world.books.executions.record_executions(list(fills), []).new == len(fills)


def book_cash(world: World, cash: str, *, session: date | None = None) -> None:
    day = session or world.sessions[1]
    moved = Booking("simulated", f"c{cash}", "plain", day, "withdrawal", cash=Decimal(cash))
    world.books.executions.record_executions([], [moved])


def move_shares(world: World, symbol: str, shares: int) -> None:
    """Shares come, or leave, without any cash."""
    day = world.sessions[1]
    moved = Booking("simulated", f"s{symbol}", "plain", day, "transfer", symbol, shares)
    world.books.executions.record_executions([], [moved])


def changes(world: World) -> list[Incident]:
    found = world.books.incidents.open_incidents()
    return [one for one in found if one.kind is IncidentKind.BOOK_CHANGED]


@pytest.mark.parametrize("day", [1, 2])
def test_a_sale_of_shares_that_a_bust_took_back_is_not_sent(world: World, day: int) -> None:
    fill = bought(world, "AAA")
    bust = replace(fill, execution_id="x", busts=fill.execution_id, session=world.sessions[day])
    book(world, bust)
    broker = TakingBroker()
    table = world.submit(today(world), broker)
    assert broker.sent == [("sell", "BBB"), ("buy", "CCC")]
    assert statuses(world) == {"AAA": "denied", "BBB": "acked", "CCC": "acked"}
    reason = f"it saw {fill.quantity_shares} shares of AAA, the book has 0"
    assert orders(world)["AAA"].reason == f"{CHANGED}{reason}"
    row = table.filter(symbol="AAA").row(0, named=True)
    assert (row["status"], row["reason"]) == ("denied", f"{CHANGED}{reason}")
    (incident,) = changes(world)
    assert (incident.symbol, incident.found, incident.blocks) == ("AAA", reason, False)


def test_shares_that_came_leave_no_order_of_their_symbol(world: World) -> None:
    """One buys what is wanted already, the other sells a part of a part."""
    move_shares(world, "BBB", 100)
    move_shares(world, "CCC", 300)
    broker = TakingBroker()
    world.submit(today(world), broker)
    assert broker.sent == [("sell", "AAA")]
    assert statuses(world) == {"AAA": "acked", "BBB": "denied", "CCC": "denied"}
    assert sorted(one.symbol for one in changes(world)) == ["BBB", "CCC"]


def test_a_split_that_was_known_to_the_decision_is_no_change(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second, third = world.sessions[:3]
    world.settle(first)
    world.trade(second, {"AAA": 0.2})
    world.put_weights(second, {})
    world.put_actions(third, {"symbol": "AAA", "bonus_ratio": 1.0})
    world.decide(third)
    broker = TakingBroker()
    world.submit(third, broker)
    assert (broker.sent, changes(world)) == ([("sell", "AAA")], [])
    # As soon as it is not what the decision saw, it is one.
    world.put_actions(third, {"symbol": "AAA", "bonus_ratio": 0.5})
    records = [replace(one, status=OrderStatus.INTENT) for one in world.books.orders.orders(third)]
    assert len(stale_orders(world.ws, third, world.books, records)) == 1


def test_what_this_session_has_filled_is_no_change(world: World) -> None:
    """The first order is filled and booked, and the rest of the day's orders still goes out."""

    class Halting(TakingBroker):
        def submit(self, intent: OrderIntent) -> BrokerOrder:
            if self.sent:
                raise TradingHalted("stop")
            return super().submit(intent)

    with pytest.raises(TradingHalted):
        world.submit(today(world), Halting())
    sold = orders(world)["AAA"].intent
    own = replace(
        bought(world, "AAA"),
        execution_id="own",
        client_order_id=sold.client_order_id,
        session=today(world),
        side=sold.side,
        quantity_shares=sold.quantity_shares,
    )
    book(world, own)
    broker = TakingBroker()
    world.submit(today(world), broker)
    assert broker.sent == [("sell", "BBB"), ("buy", "CCC")]
    assert changes(world) == []


def test_cash_that_left_takes_the_buys_it_does_not_cover(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second = world.sessions[:2]
    world.settle(first)
    world.put_weights(first, dict.fromkeys(("AAA", "BBB", "CCC", "DDD"), 0.2))
    world.decide(second)
    moved = Booking("simulated", "out", "plain", first, "withdrawal", cash=Decimal(-500_000))
    world.books.executions.record_executions([], [moved])
    broker = TakingBroker()
    world.submit(second, broker)
    # Of a million half is left: two buys of 200,000 fit, and nothing that the others had bound
    # keeps the rest from being spent.
    assert broker.sent == [("buy", "AAA"), ("buy", "BBB")]
    denied = {
        record.intent.symbol: record.reason
        for record in world.books.orders.orders(second)
        if record.status is OrderStatus.DENIED
    }
    assert set(denied) == {"CCC", "DDD"}
    assert "is needed with fees" in denied["CCC"]


def test_a_fee_that_leaves_enough_holds_back_nothing(world: World) -> None:
    book_cash(world, "-1.25")
    broker = TakingBroker()
    world.submit(today(world), broker)
    assert len(broker.sent) == 3
    assert changes(world) == []


def test_a_buy_that_rests_on_a_sale_ends_with_it(tmp_path: Path) -> None:
    """Two sales are to pay for two buys; the shares of one are gone, and what is left buys one."""
    world = make_world(tmp_path)
    first, second, third = world.sessions[:3]
    world.settle(first)
    world.trade(second, {"AAA": 0.245, "BBB": 0.245})
    book_cash(world, "-400000")
    world.put_weights(second, dict.fromkeys(("BBB", "CCC", "DDD"), 0.24))
    world.decide(third)
    assert statuses(world) == dict.fromkeys(("AAA", "BBB", "CCC", "DDD"), "intent")
    move_shares(world, "AAA", -bought(world, "AAA").quantity_shares)
    broker = TakingBroker()
    world.submit(third, broker)
    assert broker.sent == [("sell", "BBB"), ("buy", "CCC")]
    assert sorted(one.symbol for one in changes(world)) == ["AAA", "DDD"]


def test_an_order_that_never_arrived_is_not_sent_again_on_another_book(world: World) -> None:
    broker = TakingBroker(lost=1)
    impatient = SubmissionPolicy(patience_seconds=0)
    with pytest.raises(OrderStateUnknown):
        world.submit(today(world), broker, policy=impatient)
    assert broker.sent == [("sell", "AAA")]
    fill = bought(world, "AAA")
    book(world, replace(fill, execution_id="x", busts=fill.execution_id))
    world.clock.advance(timedelta(seconds=60))
    world.submit(today(world), broker)
    assert broker.sent == [("sell", "AAA"), ("sell", "BBB"), ("buy", "CCC")]
    assert statuses(world) == {"AAA": "expired", "BBB": "acked", "CCC": "acked"}
    row = world.submit(today(world), broker).filter(symbol="AAA").row(0, named=True)
    assert (row["status"], row["reason"][: len(CHANGED)]) == ("denied", CHANGED)


def test_an_order_that_arrived_is_adopted_whatever_the_book_says(world: World) -> None:
    broker = TakingBroker(lost=1)
    with pytest.raises(OrderStateUnknown):
        world.submit(today(world), broker, policy=SubmissionPolicy(patience_seconds=0))
    intent = orders(world)["AAA"].intent
    name = intent.client_order_id
    broker.taken[name] = BrokerOrder(name, "b", OrderStatus.ACKED, intent.quantity_shares, 0)
    fill = bought(world, "AAA")
    book(world, replace(fill, execution_id="x", busts=fill.execution_id))
    world.submit(today(world), broker)
    assert statuses(world)["AAA"] == "acked"
    assert changes(world) == []


def test_a_dry_run_leaves_the_order_as_it_is(world: World) -> None:
    fill = bought(world, "AAA")
    book(world, replace(fill, execution_id="x", busts=fill.execution_id))
    world.submit(today(world), policy=SubmissionPolicy(mode=TradingMode.DRY_RUN))
    assert set(statuses(world).values()) == {"intent"}
    assert changes(world) == []


def test_orders_that_ended_are_not_looked_at_again(world: World) -> None:
    world.submit(today(world), TakingBroker())
    first = world.books.orders.orders(today(world))
    fill = bought(world, "AAA")
    book(world, replace(fill, execution_id="x", busts=fill.execution_id))
    world.submit(today(world), TakingBroker())
    assert world.books.orders.orders(today(world)) == first
    assert changes(world) == []
