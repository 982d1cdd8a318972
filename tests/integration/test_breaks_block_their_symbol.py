"""From a broker that lost shares to a gate that denies, a person who looks, and trading again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from tests.support.reconciled_world import acknowledge_all
from tests.support.trading_world import World, make_world
from tradegraph_dagster.domain.core.errors import NotReconciled
from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.orders.schema import OrderStatus
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.domain.reconciliation.startup import require_startup
from tradegraph_dagster.domain.reconciliation.step import reconcile_session


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two names are held, and both sides agree."""
    opened = make_world(tmp_path, days=7)
    opened.collect(opened.sessions[0])
    reconcile(opened, opened.sessions[0])
    trade(opened, opened.sessions[1], {"AAA": 0.1, "BBB": 0.1})
    reconcile(opened, opened.sessions[1])
    assert opened.broker.statement(opened.sessions[1]).positions.keys() == {"AAA", "BBB"}
    return opened


def trade(world: World, session: date, weights: dict[str, float]) -> None:
    world.put_weights(world.ws.calendar.previous(session), weights)
    world.decide(session)
    require_startup(world.ws, session=session, books=world.books, broker=world.broker)
    world.submit(session)
    world.collect(session)


def reconcile(world: World, session: date) -> set[tuple[str, str]]:
    reconcile_session(world.ws, session=session, books=world.books, broker=world.broker)
    return set(world.ws.store.read(BREAKS, [session]).select("kind", "symbol").iter_rows())


def change_at_broker(world: World, folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "broker.db")) as connection:
        connection.execute(statement)
        connection.commit()


def denied(world: World, session: date) -> dict[str, bool]:
    """Symbol -> whether the gate of reconciliation denied its order."""
    identity = decision_id(market="plain", strategy="test", session=session)
    results = world.books.decisions.gate_results(identity)
    return {
        record.intent.symbol: any(
            result.number == 3 and result.outcome == "fail"
            for result in results[record.intent.client_order_id]
        )
        for record in world.books.orders.orders(session)
    }


def test_a_lost_share_holds_back_its_symbol_until_a_person_has_looked(
    world: World, tmp_path: Path
) -> None:
    second, third, fourth = world.sessions[1:4]
    lose = "UPDATE holdings SET shares = shares - 100 WHERE symbol = 'AAA'"
    change_at_broker(world, tmp_path, lose)
    assert reconcile(world, second) == {("qty_mismatch", "AAA")}

    trade(world, third, {"AAA": 0.2, "BBB": 0.2})
    assert denied(world, third) == {"AAA": True, "BBB": False}
    statuses = {one.intent.symbol: one.status for one in world.books.orders.orders(third)}
    assert statuses == {"AAA": OrderStatus.DENIED, "BBB": OrderStatus.FILLED}
    assert reconcile(world, third) == {("qty_mismatch", "AAA")}

    acknowledge_all(world.ws, world.books, world.broker)
    assert reconcile(world, third) == set()
    trade(world, fourth, {"AAA": 0.2, "BBB": 0.2})
    assert denied(world, fourth)["AAA"] is False
    assert reconcile(world, fourth) == set()


def test_cash_holds_back_everything(world: World, tmp_path: Path) -> None:
    second, third, fourth = world.sessions[1:4]
    change_at_broker(world, tmp_path, "UPDATE statements SET cash = CAST(cash - 5 AS TEXT)")
    assert reconcile(world, second) == {("cash_mismatch", "")}
    trade(world, third, {"AAA": 0.2, "BBB": 0.2})
    assert denied(world, third) == {"AAA": True, "BBB": True}
    reconcile(world, third)
    acknowledge_all(world.ws, world.books, world.broker)
    reconcile(world, third)
    trade(world, fourth, {"AAA": 0.2, "BBB": 0.2})
    assert set(denied(world, fourth).values()) == {False}


def test_what_changed_since_the_close_stops_the_first_order(world: World, tmp_path: Path) -> None:
    third = world.sessions[2]
    change_at_broker(world, tmp_path, "UPDATE holdings SET shares = shares + 1")
    with pytest.raises(NotReconciled, match="qty_mismatch AAA; qty_mismatch BBB"):
        trade(world, third, {"AAA": 0.2, "BBB": 0.2})
    assert {one.status for one in world.books.orders.orders(third)} == {OrderStatus.INTENT}
