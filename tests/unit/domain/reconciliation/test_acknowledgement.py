from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.ledgers import NEXT_SESSION, SESSION, make_fill, make_incident
from tests.support.reconciled_world import ReconciledWorld, reconciled_world
from tradegraph_dagster.domain.core.errors import (
    AccessDenied,
    BrokerUnavailable,
    ConfigError,
    NotReconciled,
)
from tradegraph_dagster.domain.orders.schema import Booking, BrokerOrder, IncidentKind, OrderStatus
from tradegraph_dagster.domain.reconciliation.acknowledgement import acknowledge_incident
from tradegraph_dagster.domain.reconciliation.schema import POSITIONS


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReconciledWorld]:
    with reconciled_world(request.param, tmp_path) as opened:
        yield opened


def acknowledge(world: ReconciledWorld, incident_id: str = "", **changes: str) -> Booking | None:
    """Acknowledge an incident, or the oldest one."""
    said = {"actor": "ada", "reason": "called the broker"} | changes
    name = incident_id or world.books.incidents.open_incidents()[0].incident_id
    return acknowledge_incident(world.ws, name, books=world.books, broker=world.broker, **said)


def acknowledge_all(world: ReconciledWorld) -> list[Booking | None]:
    names = [one.incident_id for one in world.books.incidents.open_incidents()]
    return [acknowledge(world, name) for name in names]


def test_the_ledger_adopts_the_brokers_shares_and_cash(world: ReconciledWorld) -> None:
    world.broker.positions = {"600000.SH": 250, "601318.SH": 77}
    world.broker.cash -= Decimal("1.23")
    world.reconcile()
    booked = {(one.symbol, one.shares, one.cash) for one in acknowledge_all(world) if one}
    assert booked == {
        ("600000.SH", -50, Decimal(0)),
        ("601318.SH", 77, Decimal(0)),
        ("", 0, Decimal("-1.23")),
    }
    world.reconcile()
    assert (world.breaks(), world.blocked()) == (set(), set())
    assert world.books.reconciliations.latest() == (SESSION, 0)
    held = world.ws.store.read(POSITIONS, [SESSION])
    assert dict(held.select("symbol", "quantity_shares").iter_rows()) == world.broker.positions
    before = world.content()
    world.reconcile()
    assert world.content() == before


def test_what_is_about_one_order_never_comes_back(world: ReconciledWorld) -> None:
    world.order("tg1-s", OrderStatus.ACKED, symbol="000001.SZ")
    world.knows("tg1-s", OrderStatus.ACKED, 0)
    stranger = BrokerOrder("tg1-x", "B9", OrderStatus.ACKED, 200, 0, symbol="000001.SZ")
    world.broker.open_orders.append(stranger)
    ours = make_fill(world.market, name="e7", symbol="000001.SZ", client_order_id="tg1-s")
    world.books.executions.record_executions([ours], [])
    world.broker.positions["000001.SZ"] = 100
    world.broker.cash -= 100 * ours.price + ours.fee
    world.reconcile()
    assert {kind for kind, _, _ in world.breaks()} == {
        "missing_fill",
        "orphan_order",
        "stale_order",
    }
    assert {(one.shares, one.cash) for one in acknowledge_all(world) if one} == {(0, Decimal(0))}
    world.reconcile()
    assert world.breaks() == set()
    world.reconcile(NEXT_SESSION)
    assert world.breaks(NEXT_SESSION) == set()


def test_another_difference_of_the_same_symbol_is_another_break(world: ReconciledWorld) -> None:
    world.broker.positions["600000.SH"] = 299
    world.reconcile()
    acknowledge(world)
    world.broker.positions["600000.SH"] = 298
    world.reconcile()
    assert world.breaks() == {("qty_mismatch", "600000.SH", "")}
    assert world.blocked() == {"600000.SH"}
    booked = acknowledge(world)
    assert booked is not None
    assert booked.shares == -1
    world.reconcile()
    assert world.breaks() == set()


def test_an_old_break_is_adopted_in_the_newest_session(world: ReconciledWorld) -> None:
    world.broker.positions["600000.SH"] = 299
    world.reconcile()
    world.reconcile(NEXT_SESSION)
    booked = acknowledge(world)
    assert booked is not None
    assert (booked.session, booked.shares, booked.kind) == (NEXT_SESSION, -1, "adjustment")
    world.reconcile(NEXT_SESSION)
    assert world.breaks(NEXT_SESSION) == set()
    assert world.books.reconciliations.latest() == (NEXT_SESSION, 0)
    # What was closed stays closed; the acknowledged break is not raised again.
    world.reconcile(SESSION)
    assert (world.breaks(SESSION), world.blocked()) == (set(), set())


def test_a_difference_that_is_gone_adopts_nothing(world: ReconciledWorld) -> None:
    world.broker.cash += 5
    world.reconcile()
    world.broker.cash -= 5
    booked = acknowledge(world)
    assert booked is not None
    assert (booked.shares, booked.cash) == (0, 0)
    world.reconcile()
    assert world.breaks() == set()


def test_a_difference_that_comes_back_after_an_empty_acknowledgement_is_seen(
    world: ReconciledWorld,
) -> None:
    world.broker.positions["600000.SH"] = 290
    world.reconcile()
    world.broker.positions["600000.SH"] = 300
    booked = acknowledge(world)
    assert booked is not None
    assert booked.shares == 0
    world.broker.positions["600000.SH"] = 290
    world.reconcile()
    assert world.breaks() == {("qty_mismatch", "600000.SH", "")}
    assert world.blocked() == {"600000.SH"}


def test_an_incident_of_another_kind_is_closed_without_a_booking(world: ReconciledWorld) -> None:
    world.reconcile()
    world.books.incidents.raise_incidents(
        [make_incident(kind=IncidentKind.OVERFILL, reference="e1")]
    )
    before = world.books.executions.bookings(SESSION)
    assert acknowledge(world, "inc-a") is None
    assert world.books.executions.bookings(SESSION) == before
    assert world.blocked() == set()


def test_nothing_is_acknowledged_by_nobody_or_without_a_reason(world: ReconciledWorld) -> None:
    world.broker.cash += 5
    world.reconcile()
    before = world.content()
    for changes in ({"actor": ""}, {"actor": "system"}, {"reason": " "}):
        with pytest.raises(AccessDenied):
            acknowledge(world, **changes)
    assert world.content() == before


def test_an_unknown_incident_is_refused_with_those_that_stand(world: ReconciledWorld) -> None:
    with pytest.raises(ConfigError, match=r"somebody has acknowledged it$"):
        acknowledge(world, "break-nope")
    world.broker.cash += 5
    world.reconcile()
    standing = world.books.incidents.open_incidents()[0].incident_id
    with pytest.raises(ConfigError, match=standing):
        acknowledge(world, "break-nope")


def test_without_an_answer_nothing_is_adopted(world: ReconciledWorld) -> None:
    world.broker.cash += 5
    world.reconcile()
    world.broker.silent = {"statement"}
    before = world.content()
    with pytest.raises(BrokerUnavailable):
        acknowledge(world)
    assert world.content() == before


def test_before_any_session_was_compared_there_is_nothing_to_adopt(world: ReconciledWorld) -> None:
    world.books.incidents.raise_incidents(
        [make_incident(incident_id="break-1", symbol="", reference="cash_mismatch:")]
    )
    with pytest.raises(NotReconciled, match="no session was compared"):
        acknowledge(world, "break-1")
