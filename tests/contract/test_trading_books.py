"""The books of a market, whichever store keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.ledgers import (
    NEXT_SESSION,
    NOW,
    SESSION,
    make_booking,
    make_decision,
    make_fill,
    make_intent,
    sql_place,
)
from tests.support.make_chain import KEY
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.ports import AuditLog
from tradegraph_dagster.domain.core.errors import InvariantBroken, TradingHalted
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import OrderStatus


@dataclass
class Place:
    """The books under test; `audit` is None where the store keeps no chain."""

    books: TradingBooks
    market: str
    clock: FixedClock
    audit: AuditLog | None

    def events(self) -> list[str]:
        """Event names after the genesis entry."""
        return [entry.event for entry in self.audit.entries()][1:] if self.audit else []


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        clock = FixedClock(NOW)
        yield Place(memory_books(market="cn", clock=clock), "cn", clock, None)
        return
    with sql_place(request.param, tmp_path) as where:
        ledger = where.open()
        yield Place(ledger.books, where.market, where.clock, ledger.audit)
        assert find_damage(ledger.audit.entries(), KEY) is None
        ledger.close()


def record(place: Place, *intents: str) -> None:
    names = intents or ("tg1-a",)
    place.books.decisions.record_decision(
        make_decision(place.market), [make_intent(place.market, name=name) for name in names]
    )


def statuses(place: Place, session: date = SESSION) -> dict[str, OrderStatus]:
    records = place.books.orders.orders(session)
    return {record.intent.client_order_id: record.status for record in records}


def expect_events(place: Place, *events: str) -> None:
    if place.audit:
        assert place.events() == list(events)


class TestDecisions:
    def test_a_decision_comes_back_digit_for_digit(self, place: Place) -> None:
        decision = make_decision(place.market)
        assert place.books.decisions.record_decision(decision, []) == decision
        stored = place.books.decisions.decision("dec-a")
        assert stored == decision
        assert stored is not None
        assert str(stored.lines[1].price) == "8.123456789012345678"
        assert stored.equity == Decimal("1000000.070000000000000001")
        expect_events(place, "decision_recorded")

    def test_an_unknown_decision_is_none(self, place: Place) -> None:
        assert place.books.decisions.decision("dec-nope") is None

    def test_the_first_decision_of_an_id_stays(self, place: Place) -> None:
        record(place)
        first = make_decision(place.market)
        second = replace(first, equity=Decimal(1), lines=())
        other = make_intent(place.market, name="tg1-b")
        assert place.books.decisions.record_decision(second, [other]) == first
        assert place.books.decisions.decision("dec-a") == first
        assert list(statuses(place)) == ["tg1-a"]
        expect_events(place, "decision_recorded")

    def test_another_markets_decision_is_refused(self, place: Place) -> None:
        with pytest.raises(InvariantBroken):
            place.books.decisions.record_decision(make_decision("other"), [])

    @pytest.mark.parametrize(
        "stranger", [{"decision_id": "dec-b"}, {"session": NEXT_SESSION}, {"market": "other"}]
    )
    def test_an_intent_must_belong_to_its_decision(
        self, place: Place, stranger: dict[str, Any]
    ) -> None:
        intent = replace(make_intent(place.market), **stranger)
        with pytest.raises(InvariantBroken):
            place.books.decisions.record_decision(make_decision(place.market), [intent])
        assert place.books.decisions.decision("dec-a") is None

    def test_an_order_id_cannot_be_taken_twice(self, place: Place) -> None:
        record(place)
        again = make_intent(place.market, decision_id="dec-b")
        with pytest.raises(InvariantBroken):
            place.books.decisions.record_decision(
                make_decision(place.market, name="dec-b"), [again]
            )
        assert place.books.decisions.decision("dec-b") is None


class TestOrders:
    def test_intents_are_stored_with_their_decision(self, place: Place) -> None:
        record(place, "tg1-b", "tg1-a")
        records = place.books.orders.orders(SESSION)
        assert [record.intent for record in records] == [
            make_intent(place.market, name="tg1-a"),
            make_intent(place.market, name="tg1-b"),
        ]
        assert {record.status for record in records} == {OrderStatus.INTENT}
        assert place.books.orders.orders(NEXT_SESSION) in ([], ())

    def test_advance_compares_and_sets(self, place: Place) -> None:
        record(place)
        advance = place.books.orders.advance
        assert advance("tg1-a", OrderStatus.INTENT, OrderStatus.SUBMITTING)
        assert not advance("tg1-a", OrderStatus.INTENT, OrderStatus.SUBMITTING)
        assert statuses(place) == {"tg1-a": OrderStatus.SUBMITTING}
        expect_events(place, "decision_recorded", "order_submitting")

    def test_an_unknown_order_does_not_move(self, place: Place) -> None:
        advance = place.books.orders.advance
        assert not advance("tg1-nope", OrderStatus.INTENT, OrderStatus.SUBMITTING)

    def test_advance_keeps_what_the_broker_said(self, place: Place) -> None:
        record(place)
        advance = place.books.orders.advance
        advance("tg1-a", OrderStatus.INTENT, OrderStatus.SUBMITTING)
        advance("tg1-a", OrderStatus.SUBMITTING, OrderStatus.ACKED, broker_order_id="B7")
        advance("tg1-a", OrderStatus.ACKED, OrderStatus.REJECTED, reason="no cash")
        (stored,) = place.books.orders.orders(SESSION)
        assert (stored.broker_order_id, stored.reason) == ("B7", "no cash")


class TestExecutions:
    def test_executions_are_stored_once(self, place: Place) -> None:
        record(place)
        fill, booking = make_fill(place.market), make_booking(place.market)
        executions = place.books.executions
        assert executions.record_executions([fill], [booking]) == 2
        assert executions.record_executions([fill, fill], [booking]) == 0
        assert list(executions.fills(SESSION)) == [fill]
        assert list(executions.bookings(SESSION)) == [booking]
        expect_events(place, "decision_recorded", "executions_recorded")

    def test_a_fill_given_twice_in_one_call_is_stored_once(self, place: Place) -> None:
        fill = make_fill(place.market)
        assert place.books.executions.record_executions([fill, replace(fill)], []) == 1

    def test_money_and_time_come_back_exactly(self, place: Place) -> None:
        price = Decimal("12.345678901234567890123")
        fill = make_fill(place.market, price=price, fee=Decimal("0.00"))
        place.books.executions.record_executions([fill], [])
        (stored,) = place.books.executions.fills(SESSION)
        assert (str(stored.price), str(stored.fee)) == (str(price), "0.00")
        assert stored.filled_at == fill.filled_at
        assert stored.filled_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        "change",
        [
            {"quantity_shares": 200},
            {"price": Decimal("10.11")},
            {"fee": Decimal("5.02")},
            {"client_order_id": "tg1-b"},
            {"filled_at": NOW},
        ],
    )
    def test_a_known_id_with_other_content_stores_nothing(
        self, place: Place, change: dict[str, Any]
    ) -> None:
        executions = place.books.executions
        fill, new = make_fill(place.market), make_fill(place.market, name="e2")
        executions.record_executions([fill], [])
        with pytest.raises(InvariantBroken):
            executions.record_executions([new, replace(fill, **change)], [])
        assert list(executions.fills(SESSION)) == [fill]

    def test_a_known_booking_with_other_content_stores_nothing(self, place: Place) -> None:
        executions = place.books.executions
        booking = make_booking(place.market)
        executions.record_executions([], [booking])
        with pytest.raises(InvariantBroken):
            executions.record_executions(
                [make_fill(place.market)], [replace(booking, cash=Decimal(1))]
            )
        assert list(executions.fills(SESSION)) == []

    def test_two_brokers_may_use_one_id(self, place: Place) -> None:
        fills = [make_fill(place.market), make_fill(place.market, broker="other")]
        assert place.books.executions.record_executions(fills, []) == 2

    def test_another_markets_executions_are_refused(self, place: Place) -> None:
        for executions in (([make_fill("other")], []), ([], [make_booking("other")])):
            with pytest.raises(InvariantBroken):
                place.books.executions.record_executions(*executions)

    def test_order_of_booking_is_kept_and_later_sessions_left_out(self, place: Place) -> None:
        fills = [
            make_fill(place.market, name="z"),
            make_fill(place.market, name="a", session=NEXT_SESSION),
            make_fill(place.market, name="m"),
        ]
        place.books.executions.record_executions(fills, [])
        names = [fill.execution_id for fill in place.books.executions.fills(SESSION)]
        assert names == ["z", "m"]
        assert len(place.books.executions.fills(NEXT_SESSION)) == 3

    def test_fills_raise_the_filled_quantity_of_their_order(self, place: Place) -> None:
        record(place)
        executions = place.books.executions
        executions.record_executions([make_fill(place.market)], [])
        executions.record_executions(
            [make_fill(place.market), make_fill(place.market, name="e2", quantity_shares=200)], []
        )
        (stored,) = place.books.orders.orders(SESSION)
        assert stored.filled_shares == 300

    def test_a_fill_of_an_unknown_order_is_kept(self, place: Place) -> None:
        fill = make_fill(place.market, client_order_id="someone-elses")
        assert place.books.executions.record_executions([fill], []) == 1
        assert list(place.books.executions.fills(SESSION)) == [fill]


class TestKillSwitch:
    def test_it_begins_disengaged(self, place: Place) -> None:
        assert place.books.kill_switch.engaged() is None

    def test_engage_is_idempotent_and_keeps_the_first_reason(self, place: Place) -> None:
        switch = place.books.kill_switch
        switch.engage(reason="drawdown", actor="system")
        switch.engage(reason="drawdown again", actor="ann")
        assert switch.engaged() == "drawdown"
        expect_events(place, "kill_switch_engaged")

    def test_reset_while_disengaged_changes_nothing(self, place: Place) -> None:
        place.books.kill_switch.reset(reason="why not", actor="ann")
        assert place.books.kill_switch.engaged() is None

    def test_reset_takes_two_people(self, place: Place) -> None:
        switch = place.books.kill_switch
        switch.engage(reason="drawdown", actor="system")
        with pytest.raises(TradingHalted, match="ann"):
            switch.reset(reason="looked into it", actor="ann")
        assert switch.engaged() == "drawdown"
        switch.reset(reason="agreed", actor="bob")
        assert switch.engaged() is None
        expect_events(
            place, "kill_switch_engaged", "kill_switch_reset_requested", "kill_switch_reset"
        )

    @pytest.mark.parametrize("same", ["ann", " Ann "])
    def test_one_person_cannot_reset_alone(self, place: Place, same: str) -> None:
        switch = place.books.kill_switch
        switch.engage(reason="drawdown", actor="system")
        for actor in ("ann", same, same):
            with pytest.raises(TradingHalted):
                switch.reset(reason="looked into it", actor=actor)
        assert switch.engaged() == "drawdown"

    @pytest.mark.parametrize(("actor", "reason"), [("system", "fine"), ("", "fine"), ("ann", " ")])
    def test_a_reset_needs_a_person_and_a_reason(
        self, place: Place, actor: str, reason: str
    ) -> None:
        switch = place.books.kill_switch
        switch.engage(reason="drawdown", actor="system")
        with pytest.raises(TradingHalted, match="person and a reason"):
            switch.reset(reason=reason, actor=actor)
        with pytest.raises(TradingHalted, match="anyone but bob"):
            switch.reset(reason="fine", actor="bob")

    def test_a_new_engage_voids_the_request(self, place: Place) -> None:
        switch = place.books.kill_switch
        switch.engage(reason="drawdown", actor="system")
        with pytest.raises(TradingHalted):
            switch.reset(reason="looked into it", actor="ann")
        switch.engage(reason="again", actor="system")
        with pytest.raises(TradingHalted):
            switch.reset(reason="agreed", actor="bob")
        assert switch.engaged() is not None

    def test_a_request_expires_after_ten_minutes(self, place: Place) -> None:
        switch = place.books.kill_switch
        switch.engage(reason="drawdown", actor="system")
        with pytest.raises(TradingHalted):
            switch.reset(reason="looked into it", actor="ann")
        place.clock.advance(timedelta(minutes=10, seconds=1))
        with pytest.raises(TradingHalted):
            switch.reset(reason="agreed", actor="bob")
        place.clock.advance(timedelta(minutes=9))
        switch.reset(reason="agreed", actor="ann")
        assert switch.engaged() is None

    def test_it_can_be_engaged_again_after_a_reset(self, place: Place) -> None:
        switch = place.books.kill_switch
        switch.engage(reason="one", actor="system")
        with pytest.raises(TradingHalted):
            switch.reset(reason="fine", actor="ann")
        switch.reset(reason="fine", actor="bob")
        switch.engage(reason="two", actor="system")
        assert switch.engaged() == "two"


class TestReconciliations:
    def test_nothing_was_reconciled_at_first(self, place: Place) -> None:
        assert place.books.reconciliations.latest() is None

    def test_the_newest_session_counts_whatever_was_written_last(self, place: Place) -> None:
        book = place.books.reconciliations
        book.record_reconciliation(NEXT_SESSION, breaks=2, fingerprint="b")
        book.record_reconciliation(SESSION, breaks=0, fingerprint="a")
        assert book.latest() == (NEXT_SESSION, 2)

    def test_repeating_it_writes_nothing_and_a_new_outcome_replaces(self, place: Place) -> None:
        book = place.books.reconciliations
        for breaks in (2, 2, 0, 0):
            book.record_reconciliation(SESSION, breaks=breaks, fingerprint=f"of {breaks}")
        assert book.latest() == (SESSION, 0)
        expect_events(place, "reconciliation_recorded", "reconciliation_recorded")
