"""A ledger that takes no writes holds up no cancel, and the report says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.trading_world import make_world
from tradegraph_dagster.domain.core.errors import BrokerUnavailable, StoreUnavailable, TradingHalted
from tradegraph_dagster.domain.orders.cancellation import CancelReport, cancel_open
from tradegraph_dagster.domain.orders.order_machine import Transition
from tradegraph_dagster.domain.orders.ports import OrderBook
from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    OrderEvent,
    OrderIntent,
    OrderRecord,
    OrderStatus,
    Venue,
)

FULL = "the disk is full"


class FullBook:
    """The orders of a ledger that can be read and takes no writes."""

    def __init__(self, orders: OrderBook) -> None:
        self.order, self.orders = orders.order, orders.orders

    def apply(self, event: OrderEvent) -> Transition:
        raise StoreUnavailable(FULL)

    def record_miss(self, client_order_id: str) -> OrderRecord:
        raise StoreUnavailable(FULL)


class Canceling:
    """Takes every order, and answers each cancel with what it was told."""

    name, venue = "simulated", Venue()

    def __init__(self, answer: OrderStatus | Exception | None) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.shares: dict[str, int] = {}

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        self.shares[intent.client_order_id] = intent.quantity_shares
        return self._order(intent.client_order_id, OrderStatus.ACKED)

    def order(self, client_order_id: str) -> BrokerOrder | None:
        return None

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        self.asked.append(client_order_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return None if self.answer is None else self._order(client_order_id, self.answer)

    def _order(self, name: str, status: OrderStatus) -> BrokerOrder:
        return BrokerOrder(name, "b", status, self.shares[name], 0)


def cancel_with_a_full_ledger(
    folder: Path, answer: OrderStatus | Exception | None
) -> tuple[list[str], CancelReport]:
    """Two orders at the broker, which answers their cancels while the ledger takes no writes."""
    world = make_world(folder)
    before, session = world.sessions[:2]
    world.settle(before)
    world.put_weights(before, {"AAA": 0.2, "BBB": 0.2})
    world.decide(session)
    broker = Canceling(answer)
    world.submit(session, broker)
    books = replace(world.books, orders=FullBook(world.books.orders))
    return broker.asked, cancel_open(books, broker, session=session, reason="fire")


@pytest.mark.parametrize("answer", [OrderStatus.CANCELED, OrderStatus.PENDING_CANCEL])
def test_every_cancel_reaches_the_broker(tmp_path: Path, answer: OrderStatus) -> None:
    asked, report = cancel_with_a_full_ledger(tmp_path, answer)
    assert len(asked) == 2
    assert report.unwritten == dict.fromkeys(asked, FULL)
    assert report.failed == {}
    assert {*report.ended, *report.asked} == set(asked)
    assert report.counts.endswith("0 failed, 2 not in the ledger")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "the broker says that it never saw it"),
        (BrokerUnavailable("no route"), "no route"),
        (TradingHalted("shut"), "shut"),
    ],
)
def test_what_the_broker_did_not_do_is_still_said(
    tmp_path: Path, answer: Exception | None, words: str
) -> None:
    asked, report = cancel_with_a_full_ledger(tmp_path, answer)
    assert report.failed == dict.fromkeys(asked, words)
    assert report.unwritten == dict.fromkeys(asked, FULL)
    assert len(asked) == 2
