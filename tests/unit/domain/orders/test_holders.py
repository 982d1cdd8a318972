"""Which strategies hold what, whoever decides now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.executions import make_booking, make_fill
from tests.support.trading_world import World, make_world
from tradegraph_dagster.domain.core.ids import client_order_id, decision_id
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.gathering import gather_inputs
from tradegraph_dagster.domain.orders.holders import read_holders
from tradegraph_dagster.domain.orders.schema import Booking, Fill
from tradegraph_dagster.domain.risk.gate_catalogue import load_gate


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Strategy `old` has bought AAA and BBB in the second session."""
    opened = make_world(tmp_path)
    first, second = opened.sessions[:2]
    opened.settle(first)
    opened.put_weights(first, {"AAA": 0.2, "BBB": 0.1})
    opened.decide(second, strategy="old")
    opened.submit(second)
    opened.settle(second)
    opened.put_weights(second, {"AAA": 0.1, "CCC": 0.1})
    return opened


def trade(world: World, number: int, shares: int, *, by: str = "new") -> Fill:
    """A fill of an order that a strategy's decision would have made."""
    session, side = world.sessions[number], Side.BUY if shares > 0 else Side.SELL
    decision = decision_id(market="plain", strategy=by, session=session)
    name = client_order_id(decision=decision, symbol="AAA", leg=side.value)
    fill = make_fill(session, abs(shares), side=side, name=f"{by}{number}{shares}")
    return replace(fill, client_order_id=name)


def holders(world: World, *moves: Fill | Booking) -> set[str]:
    """Of AAA, as the strategy `new` finds them."""
    fills = [one for one in moves if isinstance(one, Fill)]
    bookings = [one for one in moves if isinstance(one, Booking)]
    found = read_holders(world.books, fills, bookings, strategy="new", symbols=["AAA"])
    return set(found["AAA"])


def test_a_holding_is_of_the_strategy_that_bought_it(world: World) -> None:
    inputs = gather_inputs(world.ws, world.sessions[2], world.books, "new")
    assert inputs.holders == {"AAA": frozenset({"old"}), "BBB": frozenset({"old"})}
    same = gather_inputs(world.ws, world.sessions[2], world.books, "old")
    assert same.holders == inputs.holders


@pytest.mark.parametrize(("most", "status"), [(1, "denied"), (2, "intent")])
def test_the_gate_of_open_positions_can_fail(world: World, most: int, status: str) -> None:
    """Another strategy buys more of what the first one holds."""
    session = world.sessions[2]
    world.put_weights(world.sessions[1], {"AAA": 0.24, "CCC": 0.1})
    gates = ((load_gate("open_positions"), {"max_strategies": most}),)
    world.decide(session, strategy="new", gates=gates)
    found = {
        record.intent.symbol: record.status.value for record in world.books.orders.orders(session)
    }
    # A sale only reduces, and CCC is held by nobody.
    assert found == {"AAA": status, "BBB": "intent", "CCC": "intent"}


def test_who_sold_it_all_holds_nothing(world: World) -> None:
    (old,) = [one for one in world.books.executions.fills(world.sessions[1]) if one.symbol == "AAA"]
    shares = old.quantity_shares
    moves = [old, trade(world, 1, 300)]
    assert holders(world, *moves) == {"old", "new"}
    assert holders(world, *moves, trade(world, 2, -300)) == {"old"}
    sold = replace(old, execution_id="s", side=Side.SELL, quantity_shares=shares)
    assert holders(world, *moves, sold) == {"new"}


def test_what_was_before_it_was_flat_does_not_count(world: World) -> None:
    moves = [make_fill(world.sessions[0], 200), trade(world, 1, -200), trade(world, 2, 100)]
    assert holders(world, *moves) == {"new"}


def test_a_bust_takes_its_holder_away(world: World) -> None:
    bought = trade(world, 0, 200)
    other = make_fill(world.sessions[1], 100)
    bust = replace(bought, execution_id="x", busts=bought.execution_id)
    assert holders(world, bought, other) == {"new", "nobody"}
    assert holders(world, bought, other, bust) == {"nobody"}


def test_booked_shares_are_of_those_who_hold_already(world: World) -> None:
    bonus = make_booking(world.sessions[1], "bonus", symbol="AAA", shares=200)
    moves = [trade(world, 0, 200), bonus]
    assert holders(world, *moves) == {"new"}
    # Of 400 shares, 300 are sold: they still are its own.
    assert holders(world, *moves, trade(world, 1, -300)) == {"new"}


def test_what_no_order_brought_is_nobodys(world: World) -> None:
    adopted = make_booking(world.sessions[0], "transfer", symbol="AAA", shares=200)
    assert holders(world, adopted) == {"nobody"}
    assert holders(world, make_fill(world.sessions[0], 100)) == {"nobody"}
    both = [adopted, trade(world, 1, 100)]
    assert holders(world, *both) == {"nobody", "new"}
