"""Every kill switch: anyone stops trading at once, two different people allow it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.ledgers import (
    NEXT_SESSION,
    NOW,
    SESSION,
    make_booking,
    make_fill,
    record_orders,
    send,
    sql_place,
)
from tests.support.people import proven
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.access.schema import Role
from tradegraph_dagster.domain.audit.ports import AuditLog
from tradegraph_dagster.domain.core.errors import InvariantBroken, TradingHalted
from tradegraph_dagster.domain.orders.ports import KillSwitch, TradingBooks
from tradegraph_dagster.domain.orders.schema import SendVerdict


@dataclass
class Place:
    """The switch under test; `audit` is None where the store keeps no chain."""

    books: TradingBooks
    clock: FixedClock
    audit: AuditLog | None
    market: str

    @property
    def switch(self) -> KillSwitch:
        return self.books.kill_switch

    def person(self, name: str, role: Role = Role.TRADER, **changes: Any) -> ProvenPerson:
        return proven(name, role, at=self.clock.now(), **changes)

    def expect_events(self, *events: str) -> None:
        if self.audit:
            assert [entry.event for entry in self.audit.entries()][1:] == list(events)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        clock = FixedClock(NOW)
        yield Place(memory_books(market="cn", clock=clock), clock, None, "cn")
        return
    with sql_place(request.param, tmp_path) as where:
        ledger = where.open()
        yield Place(ledger.books, where.clock, ledger.audit, where.market)
        ledger.close()


@pytest.fixture
def halted(place: Place) -> Place:
    place.switch.engage(reason="drawdown", actor="system")
    return place


def refused(place: Place, person: ProvenPerson, reason: str = "looked into it") -> str:
    """The words with which a reset is refused; the switch must stay engaged."""
    with pytest.raises(TradingHalted) as caught:
        place.switch.reset(reason=reason, person=person)
    assert place.switch.engaged() == "drawdown"
    return str(caught.value)


def test_it_begins_disengaged(place: Place) -> None:
    assert place.switch.engaged() is None


def test_engage_is_idempotent_and_keeps_the_first_reason(halted: Place) -> None:
    halted.switch.engage(reason="drawdown again", actor="ann")
    assert halted.switch.engaged() == "drawdown"
    halted.expect_events("kill_switch_engaged")


@pytest.mark.parametrize("odd", ["Stra\udcdfe brennt", "fire\0", "\ud83d", "x" * 5000])
def test_no_reason_and_no_name_is_refused(place: Place, odd: str) -> None:
    """A terminal in another encoding types what is no text."""
    place.switch.engage(reason=odd, actor=odd)
    assert place.switch.engaged() is not None
    place.expect_events("kill_switch_engaged")


@pytest.mark.parametrize("odd", ["Stra\udcdfe brennt", "fire\0"])
def test_a_reset_may_be_asked_for_in_any_words(halted: Place, odd: str) -> None:
    assert "anyone but ann may confirm" in refused(halted, halted.person("ann"), reason=odd)
    halted.switch.reset(reason=odd, person=halted.person("bob"))
    assert halted.switch.engaged() is None


def test_reset_while_disengaged_changes_nothing(place: Place) -> None:
    place.switch.reset(reason="why not", person=place.person("ann"))
    assert place.switch.engaged() is None


@pytest.mark.parametrize("first", [Role.TRADER, Role.ADMIN])
@pytest.mark.parametrize("second", [Role.TRADER, Role.ADMIN])
def test_two_different_people_reset_it(halted: Place, first: Role, second: Role) -> None:
    assert "anyone but ann may confirm it until" in refused(halted, halted.person("ann", first))
    halted.switch.reset(reason="agreed", person=halted.person("bob", second))
    assert halted.switch.engaged() is None
    halted.expect_events("kill_switch_engaged", "kill_switch_reset_requested", "kill_switch_reset")


def test_the_entry_of_a_reset_names_both_people_and_both_reasons(halted: Place) -> None:
    if halted.audit is None:
        pytest.skip("keeps no chain")
    refused(halted, halted.person("ann"), reason="the feed is back")
    halted.switch.reset(reason="I saw it too", person=halted.person("bob"))
    last = list(halted.audit.entries())[-1]
    assert last.user == "bob"
    assert dict(last.details) == {
        "reason": "I saw it too",
        "requested_by": "ann",
        "request_reason": "the feed is back",
    }


@pytest.mark.parametrize("same", ["ann", " Ann ", "ANN"])
def test_one_person_cannot_reset_alone(halted: Place, same: str) -> None:
    refused(halted, halted.person("ann"))
    for _ in range(3):
        assert "anyone but ann" in refused(halted, halted.person(same))


def test_a_person_invented_on_the_spot_may_neither_ask_nor_confirm(halted: Place) -> None:
    new = timedelta(hours=23, minutes=59)
    assert "less than 24 hours" in refused(halted, halted.person("bob", since=new))
    assert "anyone but ann may confirm it until" in refused(halted, halted.person("ann"))
    assert "less than 24 hours" in refused(halted, halted.person("bob", since=new))
    halted.expect_events(
        "kill_switch_engaged",
        "kill_switch_reset_refused",
        "kill_switch_reset_requested",
        "kill_switch_reset_refused",
    )
    halted.switch.reset(reason="agreed", person=halted.person("eve", since=timedelta(days=1)))
    assert halted.switch.engaged() is None


def test_nobody_gets_in_without_a_proof() -> None:
    with pytest.raises(InvariantBroken, match="authenticate only"):
        ProvenPerson("ann", Role.ADMIN, NOW, NOW, seal=object())


def test_a_reset_needs_a_reason(halted: Place) -> None:
    assert "a reason in words" in refused(halted, halted.person("ann"), reason=" ")
    assert "anyone but bob" in refused(halted, halted.person("bob"))


def test_a_new_engage_voids_the_request(halted: Place) -> None:
    refused(halted, halted.person("ann"))
    halted.switch.engage(reason="again", actor="system")
    assert "anyone but bob may confirm" in refused(halted, halted.person("bob"))


def test_a_request_lapses_after_ten_minutes(halted: Place) -> None:
    refused(halted, halted.person("ann"))
    halted.clock.advance(timedelta(minutes=10, seconds=1))
    refused(halted, halted.person("bob"))
    halted.clock.advance(timedelta(minutes=10))
    halted.switch.reset(reason="agreed", person=halted.person("ann"))
    assert halted.switch.engaged() is None


def test_a_request_of_a_clock_that_was_ahead_lasts_no_longer(halted: Place) -> None:
    halted.clock.advance(timedelta(hours=1))
    refused(halted, halted.person("ann"))
    halted.clock.advance(timedelta(minutes=-1))
    assert "anyone but bob may confirm it" in refused(halted, halted.person("bob"))
    halted.switch.reset(reason="agreed", person=halted.person("ann"))
    assert halted.switch.engaged() is None


def test_books_that_do_not_agree_keep_it_engaged(halted: Place) -> None:
    record = halted.books.reconciliations.record_reconciliation
    record(SESSION, breaks=0, fingerprint="a")
    record(NEXT_SESSION, breaks=2, fingerprint="b")
    assert "2 breaks" in refused(halted, halted.person("ann"))
    record(NEXT_SESSION, breaks=0, fingerprint="c")
    refused(halted, halted.person("ann"))
    record(NEXT_SESSION, breaks=1, fingerprint="d")
    assert "1 breaks" in refused(halted, halted.person("bob"))


def _send_an_order(books: TradingBooks, market: str) -> None:
    record_orders(books, market)
    assert send(books).verdict is SendVerdict.GO


def _fill(books: TradingBooks, market: str) -> None:
    books.executions.record_executions([make_fill(market)], [])


def _book_cash(books: TradingBooks, market: str) -> None:
    books.executions.record_executions([], [make_booking(market)])


@pytest.mark.parametrize("trade", [_send_an_order, _fill, _book_cash])
def test_books_that_were_not_compared_since_they_moved_keep_it_engaged(
    place: Place, trade: Callable[[TradingBooks, str], None]
) -> None:
    trade(place.books, place.market)
    place.switch.engage(reason="drawdown", actor="system")
    record = place.books.reconciliations.record_reconciliation
    words = refused(place, place.person("ann"))
    assert f"{SESSION} was traded and is not reconciled, none was ever" in words
    before = SESSION - timedelta(days=1)
    record(before, breaks=0, fingerprint="a")
    assert f"the newest is {before}" in refused(place, place.person("ann"))
    record(SESSION, breaks=0, fingerprint="b")
    assert "anyone but ann may confirm it" in refused(place, place.person("ann"))
    place.switch.reset(reason="agreed", person=place.person("bob"))
    assert place.switch.engaged() is None


def test_orders_that_were_never_sent_leave_nothing_to_compare(place: Place) -> None:
    record_orders(place.books, place.market)
    place.switch.engage(reason="drawdown", actor="system")
    assert "anyone but ann may confirm it" in refused(place, place.person("ann"))


def test_it_can_be_engaged_again_after_a_reset(halted: Place) -> None:
    refused(halted, halted.person("ann"))
    halted.switch.reset(reason="fine", person=halted.person("bob"))
    halted.switch.engage(reason="two", actor="system")
    assert halted.switch.engaged() == "two"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda place: [place.person("ann")] * 4,
        lambda place: [place.person("ann"), place.person("bob", since=timedelta(0))] * 2,
        lambda place: [place.person("bob", since=timedelta(0)), place.person("ann")] * 2,
        lambda place: [place.person("ann", Role.ADMIN), place.person("Ann ", Role.TRADER)],
    ],
    ids=["again and again", "with a new friend", "for a new friend", "with another role"],
)
def test_no_single_person_gets_it_reset(
    halted: Place, attempt: Callable[[Place], list[ProvenPerson]]
) -> None:
    for person in attempt(halted):
        refused(halted, person)
