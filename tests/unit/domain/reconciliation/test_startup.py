from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.ledgers import NEXT_SESSION, SESSION, make_order, record_orders, send
from tests.support.reconciled_world import ReconciledWorld, acknowledge_all, reconciled_world
from tradegraph_dagster.domain.core.errors import BrokerUnavailable, NotReconciled, StaleData
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus
from tradegraph_dagster.domain.reconciliation.startup import require_startup


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ReconciledWorld]:
    with reconciled_world("memory", tmp_path) as opened:
        opened.reconcile()
        yield opened


def start(world: ReconciledWorld) -> None:
    require_startup(world.ws, session=NEXT_SESSION, books=world.books, broker=world.broker)


def hold_more(world: ReconciledWorld) -> None:
    world.broker.positions["600000.SH"] = 301


def hold_another(world: ReconciledWorld) -> None:
    world.broker.positions["601318.SH"] = 1


def pay(world: ReconciledWorld) -> None:
    world.broker.cash -= Decimal("0.02")


def work_a_stranger(world: ReconciledWorld) -> None:
    stranger = BrokerOrder("tg1-x", "B9", OrderStatus.ACKED, 200, 0, symbol="000001.SZ")
    world.broker.open_orders.append(stranger)


DIFFERENCES: list[tuple[Callable[[ReconciledWorld], None], str]] = [
    (hold_more, r"qty_mismatch 600000\.SH"),
    (hold_another, r"orphan_position 601318\.SH"),
    (pay, "cash_mismatch"),
    (work_a_stranger, r"orphan_order 000001\.SZ tg1-x"),
]


def test_equal_books_may_trade_and_nothing_is_written(world: ReconciledWorld) -> None:
    before = world.content()
    start(world)
    assert world.content() == before


@pytest.mark.parametrize(("change", "told"), DIFFERENCES)
def test_a_difference_nobody_has_heard_of_stops_the_session(
    world: ReconciledWorld, change: Callable[[ReconciledWorld], None], told: str
) -> None:
    change(world)
    before = world.content()
    with pytest.raises(NotReconciled, match=f"{told}.*{SESSION} again") as refused:
        start(world)
    assert refused.value.session == SESSION
    assert world.content() == before


@pytest.mark.parametrize(("change", "_told"), DIFFERENCES)
def test_a_difference_with_an_incident_is_left_to_the_risk_gate(
    world: ReconciledWorld, change: Callable[[ReconciledWorld], None], _told: str
) -> None:
    change(world)
    world.reconcile()
    before = world.content()
    start(world)
    assert world.content() == before
    (incident,) = world.books.incidents.open_incidents()
    assert incident.blocks
    acknowledge_all(world.ws, world.books, world.broker)
    assert not world.books.incidents.open_incidents()
    start(world)


def test_orders_of_the_session_itself_and_of_others_are_no_strangers(
    world: ReconciledWorld,
) -> None:
    order = make_order(name="tg1-n", decision_id="dec-n", symbol="000001.SZ")
    record_orders(world.books, world.market, order, name="dec-n", session=NEXT_SESSION)
    send(world.books, "tg1-n")
    world.broker.open_orders += [
        BrokerOrder("tg1-n", "B8", OrderStatus.ACKED, 300, 0),
        BrokerOrder("by-hand", "B7", OrderStatus.ACKED, 300, 0),
    ]
    before = world.content()
    start(world)
    assert world.content() == before


def test_what_cannot_be_read_is_not_equal(world: ReconciledWorld) -> None:
    world.broker.silent = {"statement"}
    with pytest.raises(BrokerUnavailable):
        start(world)
    world.broker.silent = set()
    world.broker.statement_session = NEXT_SESSION
    with pytest.raises(StaleData, match=str(NEXT_SESSION)):
        start(world)
