"""A fill of a rejected order stops trading, whoever books it and wherever a process dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.dying import Fuse, Fused, ProcessDiedError, fused_books
from tests.support.ledgers import SESSION, make_fill
from tests.support.reconciled_world import ReconciledWorld, reconciled_world
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import IncidentKind, OrderStatus
from tradegraph_dagster.domain.orders.step import collect_executions
from tradegraph_dagster.domain.reconciliation.step import reconcile_session

Step = Callable[[ReconciledWorld, TradingBooks, object], object]


def collect(world: ReconciledWorld, books: TradingBooks, broker: object) -> object:
    return collect_executions(world.ws, session=SESSION, books=books, broker=broker)


def reconcile(world: ReconciledWorld, books: TradingBooks, broker: object) -> object:
    return reconcile_session(world.ws, session=SESSION, books=books, broker=broker)


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReconciledWorld]:
    with reconciled_world(request.param, tmp_path) as opened:
        opened.order("tg1-rej", OrderStatus.REJECTED, symbol="600036.SH")
        opened.knows("tg1-rej", OrderStatus.FILLED, 300)
        fill = make_fill(opened.market, name="late1", symbol="600036.SH")
        opened.broker.fills.append(replace(fill, client_order_id="tg1-rej"))
        yield opened


@pytest.mark.parametrize("step", [collect, reconcile])
def test_whoever_books_it_stops_trading(world: ReconciledWorld, step: Step) -> None:
    step(world, world.books, world.broker)
    halt = world.books.kill_switch.engaged()
    assert halt == "fill_after_rejection late1: 100 shares at 10.10"
    kinds = {one.kind for one in world.books.incidents.open_incidents()}
    assert IncidentKind.FILL_AFTER_REJECTION in kinds


@pytest.mark.parametrize("steps", range(0, 40, 2))
@pytest.mark.parametrize("step", [collect, reconcile])
def test_a_process_that_dies_does_not_forget_it(
    world: ReconciledWorld, step: Step, steps: int
) -> None:
    fuse = Fuse(steps)
    try:
        step(world, fused_books(world.books, fuse), Fused(world.broker, fuse))
    except ProcessDiedError:
        is_booked = len(world.books.executions.fills(SESSION)) == 2
        assert (world.books.kill_switch.engaged() is not None) == is_booked
    step(world, world.books, world.broker)
    assert world.books.kill_switch.engaged() is not None
