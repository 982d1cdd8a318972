"""Orders go to a live venue only while live trading is armed for it, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.ledgers import (
    NOW,
    SESSION,
    SqlPlace,
    make_incident,
    record_orders,
    send,
)
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.domain.access.schema import LiveLease
from tradegraph_dagster.domain.orders.schema import OrderStatus, SendVerdict, Venue

LIVE = Venue("api.alpaca.markets", "A1", is_live=True)


def agree(ledger: SqlLedger, breaks: int = 0) -> None:
    ledger.books.reconciliations.record_reconciliation(SESSION, breaks=breaks, fingerprint="f")


@pytest.fixture
def armed(place: SqlPlace) -> Iterator[SqlLedger]:
    ledger = place.open()
    record_orders(ledger.books, place.market)
    lease = LiveLease(place.market, LIVE.host, LIVE.account, "ann", NOW, NOW + timedelta(hours=1))
    ledger.live_lock.arm(lease, reason="the day's orders")
    agree(ledger)
    yield ledger
    ledger.close()


def test_an_armed_venue_gets_its_orders(armed: SqlLedger) -> None:
    assert send(armed.books, venue=LIVE).verdict is SendVerdict.GO
    (entry,) = (one for one in armed.audit.entries() if one.event == "order_submitting")
    assert (entry.details["host"], entry.details["is_live"]) == (LIVE.host, True)
    assert LIVE.account not in entry.details_json


@pytest.mark.parametrize("change", [{"host": "elsewhere.example"}, {"account": "A2"}])
def test_another_host_or_account_gets_none(armed: SqlLedger, change: dict[str, str]) -> None:
    assert send(armed.books, venue=replace(LIVE, **change)).verdict is SendVerdict.UNARMED


def test_a_lapsed_lock_is_shut(place: SqlPlace, armed: SqlLedger) -> None:
    place.clock.advance(timedelta(hours=1, seconds=1))
    permit = send(armed.books, venue=LIVE)
    assert permit.verdict is SendVerdict.UNARMED
    order = armed.books.orders.order("tg1-a")
    assert order is not None
    assert (order.status, order.sent_at) == (OrderStatus.INTENT, None)


def test_a_lock_that_was_disarmed_is_shut(armed: SqlLedger) -> None:
    armed.live_lock.disarm(actor="ann", reason="enough")
    assert send(armed.books, venue=LIVE).verdict is SendVerdict.UNARMED


def test_another_markets_lock_opens_nothing(place: SqlPlace, armed: SqlLedger) -> None:
    other = place.open(market=f"{place.market}-other")
    record_orders(other.books, f"{place.market}-other")
    assert send(other.books, venue=LIVE).verdict is SendVerdict.UNARMED
    other.close()


def test_books_that_do_not_agree_any_more_hold_it_back(armed: SqlLedger) -> None:
    agree(armed, breaks=1)
    permit = send(armed.books, venue=LIVE)
    assert permit.verdict is SendVerdict.UNARMED
    assert permit.reason == "the newest reconciliation has 1 breaks"
    assert send(armed.books).verdict is SendVerdict.GO


def test_books_that_were_never_compared_hold_it_back(place: SqlPlace) -> None:
    ledger = place.open()
    record_orders(ledger.books, place.market)
    lease = LiveLease(place.market, LIVE.host, LIVE.account, "ann", NOW, NOW + timedelta(hours=1))
    ledger.live_lock.arm(lease, reason="the day's orders")
    permit = send(ledger.books, venue=LIVE)
    assert permit.verdict is SendVerdict.UNARMED
    assert permit.reason == "the books were never reconciled with the account"
    ledger.close()


def test_an_open_incident_holds_back_a_live_order_too(armed: SqlLedger) -> None:
    armed.books.incidents.raise_incidents([make_incident()])
    permit = send(armed.books, venue=LIVE)
    assert (permit.verdict, permit.reason) == (SendVerdict.BLOCKED, "an incident is open: inc-a")


def test_the_kill_switch_stands_before_an_open_lock(armed: SqlLedger) -> None:
    armed.books.kill_switch.engage(reason="drawdown", actor="system")
    assert send(armed.books, venue=LIVE).verdict is SendVerdict.HALTED
