"""Whatever the broker says, one pass finds it, a second adds nothing, and a person can end it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ledgers import SESSION, make_fill
from tests.support.reconciled_world import (
    SYMBOLS,
    ReconciledWorld,
    acknowledge_all,
    reconciled_world,
)
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus

SENT = [OrderStatus.SUBMITTING, OrderStatus.UNKNOWN, OrderStatus.ACKED, OrderStatus.PENDING_CANCEL]
ORDER = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS),
        "ours": st.sampled_from(SENT),
        "theirs": st.none() | st.sampled_from([*SENT[2:], *OrderStatus]),
        "told": st.integers(0, 4),
        "fills": st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 200)), max_size=3),
        "is_open": st.booleans(),
    }
)


def place(world: ReconciledWorld, number: int, drawn: dict) -> None:
    """One order of ours, what the broker says of it, and executions we have not heard of."""
    name = f"tg1-p{number}"
    world.order(name, drawn["ours"], symbol=drawn["symbol"])
    for part, (side, shares) in enumerate(drawn["fills"]):
        fill = make_fill(
            world.market,
            name=f"p{number}-{part}",
            symbol=drawn["symbol"],
            client_order_id=name,
            side=side,
            quantity_shares=shares,
        )
        world.broker.fills.append(fill)
    if drawn["theirs"] is not None:
        world.knows(name, drawn["theirs"], 100 * drawn["told"])
    if drawn["is_open"]:
        stranger = BrokerOrder(f"tg1-x{number}", "", OrderStatus.ACKED, 100, 0)
        world.broker.open_orders.append(stranger)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ORDER, max_size=3),
    st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 900), max_size=4),
    st.integers(-500, 500),
)
def test_one_pass_a_person_and_it_is_clean(
    orders: list[dict], positions: dict[str, int], cents: int
) -> None:
    with reconciled_world("memory", Path()) as world:
        for number, drawn in enumerate(orders):
            place(world, number, drawn)
        world.broker.positions = positions
        world.broker.cash += Decimal(cents) / 100
        world.reconcile()
        first, found = world.content(), world.breaks()
        world.reconcile()
        assert (world.content(), world.breaks()) == (first, found)
        booked = {fill.execution_id for fill in world.books.executions.fills(SESSION)}
        assert booked == {fill.execution_id for fill in world.broker.fills}
        raised = {one.reference for one in world.books.incidents.open_incidents()}
        assert {f"{kind}:{reference}" for kind, _, reference in found} <= raised
        acknowledge_all(world.ws, world.books, world.broker)
        world.reconcile()
        assert (world.breaks(), world.blocked()) == (set(), set())
        settled = world.content()
        world.reconcile()
        assert world.content() == settled
