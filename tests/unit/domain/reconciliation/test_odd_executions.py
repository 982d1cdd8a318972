"""An execution with a name that no ledger can hold is the same one on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ledgers import SESSION, make_fill
from tests.support.reconciled_world import ReconciledWorld, reconciled_world
from tradegraph_dagster.domain.orders.schema import IncidentKind, OrderStatus


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReconciledWorld]:
    """The broker has a second execution, of an odd name."""
    with reconciled_world(request.param, tmp_path) as made:
        made.order("tg1-m", OrderStatus.ACKED, symbol="600036.SH")
        odd = make_fill(made.market, name="e\ud800", client_order_id="tg1-m", symbol="600036.SH")
        made.broker.fills = [*made.broker.fills, odd]
        made.broker.positions["600036.SH"] = 100
        made.broker.cash -= 100 * odd.price + odd.fee
        made.knows("tg1-m", OrderStatus.CANCELED, 100)
        yield made


def test_once_collected_it_is_no_break(world: ReconciledWorld) -> None:
    world.books.executions.record_executions(world.broker.fills, world.broker.bookings)
    (incident,) = world.books.incidents.open_incidents()
    assert incident.kind is IncidentKind.ODD_EXECUTION
    world.reconcile()
    assert world.breaks() == set()
    before = world.content()
    world.reconcile()
    assert world.content() == before


def test_it_is_adopted_under_the_same_name(world: ReconciledWorld) -> None:
    world.reconcile()
    (_, adopted) = world.books.executions.fills(SESSION)
    assert world.breaks() == {("missing_fill", "600036.SH", adopted.execution_id)}
    booked = world.books.executions.record_executions(world.broker.fills, [])
    assert (booked.new, booked.repeated) == (0, 2)
