"""Orders of a closed session end, and what the broker lost is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ledgers import SESSION
from tests.support.reconciled_world import ReconciledWorld, reconciled_world
from tradegraph_dagster.domain.core.errors import BrokerUnavailable
from tradegraph_dagster.domain.orders.closing import close_orders
from tradegraph_dagster.domain.orders.schema import BrokerOrder, IncidentKind, OrderStatus


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReconciledWorld]:
    with reconciled_world(request.param, tmp_path) as opened:
        opened.order("tg1-b", OrderStatus.ACKED, symbol="600036.SH")
        opened.order("tg1-c", OrderStatus.ACKED, symbol="601318.SH")
        opened.knows("tg1-c", OrderStatus.EXPIRED, 0)
        yield opened


def test_a_lost_order_is_reported_also_where_a_later_question_fails(
    world: ReconciledWorld,
) -> None:
    class Half:
        def order(self, client_order_id: str) -> BrokerOrder | None:
            if client_order_id == "tg1-c":
                raise BrokerUnavailable("no answer")
            return world.broker.order(client_order_id)

    with pytest.raises(BrokerUnavailable):
        close_orders(world.books, Half(), SESSION)
    assert close_orders(world.books, world.broker, SESSION) == 0
    (incident,) = world.books.incidents.open_incidents()
    assert (incident.kind, incident.reference) == (IncidentKind.ORDER_LOST, "tg1-b")
    ended = [world.books.orders.order(name).status for name in ("tg1-b", "tg1-c")]
    assert ended == [OrderStatus.EXPIRED] * 2
