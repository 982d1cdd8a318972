"""Decisions, orders, leases and incidents, whichever store keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.book_places import STORES, BookPlace, book_place
from tests.support.ledgers import (
    NEXT_SESSION,
    NOW,
    SESSION,
    make_booking,
    make_event,
    make_fill,
    make_gated,
    make_incident,
    make_intent,
    make_order,
    record_orders,
    send,
    take_lease,
)
from tradegraph_dagster.domain.audit.evidence import gates_fingerprint
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError, InvariantBroken
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import (
    Commitments,
    EventSource,
    OrderStatus,
    SendVerdict,
    Venue,
)
from tradegraph_dagster.domain.risk.order_gate import GatedDecision, GateOutcome

SALE = {"symbol": "000001.SZ", "side": Side.SELL, "reference_price": Decimal("8.12")}


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BookPlace]:
    with book_place(request.param, tmp_path) as books:
        yield books


class TestDecisions:
    def test_a_decision_comes_back_digit_for_digit(self, place: BookPlace) -> None:
        gated = make_gated(place.market, sources={"forecasts": "a" * 64})
        returned = place.books.decisions.record_decision("dec-a", lambda _: gated, session=SESSION)
        stored = place.books.decisions.decision("dec-a")
        assert returned == stored == gated.decision
        assert stored is not None
        assert str(stored.lines[1].price) == "8.123456789012345678"
        assert stored.equity == Decimal("1000000.070000000000000001")
        place.expect_events("decision_recorded")

    def test_an_unknown_decision_is_none(self, place: BookPlace) -> None:
        assert place.books.decisions.decision("dec-nope") is None
        assert dict(place.books.decisions.gate_results("dec-nope")) == {}

    def test_equity_is_known_of_every_strategys_decisions(self, place: BookPlace) -> None:
        later = make_gated(place.market, name="dec-b", session=NEXT_SESSION, strategy="renamed")
        place.books.decisions.record_decision("dec-b", lambda _: later, session=NEXT_SESSION)
        record_orders(place.books, place.market)
        first = place.books.decisions.decision("dec-a")
        assert first is not None
        found = place.books.decisions.equities(NEXT_SESSION)
        assert found == [(SESSION, first.equity), (NEXT_SESSION, later.decision.equity)]
        assert place.books.decisions.equities(SESSION) == found[:1]

    def test_a_stored_decision_is_not_taken_again(self, place: BookPlace) -> None:
        first = record_orders(place.books, place.market)

        def never(_: Commitments) -> GatedDecision:
            raise AssertionError("decided twice")

        again = place.books.decisions.record_decision("dec-a", never, session=SESSION)
        assert again == first
        assert list(place.statuses()) == ["tg1-a"]
        place.expect_events("decision_recorded")

    @pytest.mark.parametrize(
        "change", [{"market": "other"}, {"decision_id": "dec-b"}, {"session": NEXT_SESSION}]
    )
    def test_another_decision_than_the_one_asked_for_is_refused(
        self, place: BookPlace, change: dict[str, Any]
    ) -> None:
        gated = make_gated(place.market)
        stranger = replace(gated, decision=replace(gated.decision, **change))
        with pytest.raises(InvariantBroken):
            place.books.decisions.record_decision("dec-a", lambda _: stranger, session=SESSION)
        assert place.books.decisions.decision("dec-a") is None
        assert place.books.decisions.decision("dec-b") is None

    def test_an_order_of_another_decision_is_refused(self, place: BookPlace) -> None:
        with pytest.raises(InvariantBroken, match="dec-b"):
            record_orders(place.books, place.market, make_order(decision_id="dec-b"))
        assert place.books.decisions.decision("dec-a") is None

    def test_an_order_id_cannot_be_taken_twice(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        again = make_order(decision_id="dec-b")
        with pytest.raises(InvariantBroken):
            record_orders(place.books, place.market, again, name="dec-b")
        assert place.books.decisions.decision("dec-b") is None
        twice = make_order(name="tg1-c", decision_id="dec-c")
        with pytest.raises(InvariantBroken, match="once"):
            record_orders(place.books, place.market, twice, twice, name="dec-c")
        assert list(place.statuses()) == ["tg1-a"]

    def test_a_decision_that_fails_leaves_nothing(self, place: BookPlace) -> None:
        def broken(_: Commitments) -> GatedDecision:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            place.books.decisions.record_decision("dec-a", broken, session=SESSION)
        record_orders(place.books, place.market)
        place.expect_events("decision_recorded")

    def test_denied_orders_are_kept_with_the_gates_that_denied_them(self, place: BookPlace) -> None:
        orders = (make_order(), make_order(name="tg1-b"))
        record_orders(place.books, place.market, *orders, denied="tg1-b")
        denied = place.order("tg1-b")
        assert (denied.status, denied.reason) == (OrderStatus.DENIED, "denied by doorman")
        assert place.order().status is OrderStatus.INTENT
        assert list(place.reserved()) == ["tg1-a"]

    def test_each_gates_word_comes_back_with_its_inputs(self, place: BookPlace) -> None:
        orders = (make_order(), make_order(name="tg1-b"))
        record_orders(place.books, place.market, *orders, denied="tg1-b")
        results = place.books.decisions.gate_results("dec-a")
        first, second = results["tg1-b"]
        assert (first.number, first.gate, first.outcome) == (1, "open_door", GateOutcome.PASS)
        assert dict(first.inputs) == {"max": "1000.50", "reference_price": "10.10"}
        assert (second.outcome, second.reason) == (GateOutcome.FAIL, "not on the list")
        assert results["tg1-a"][1].outcome is GateOutcome.PASS
        if place.ledger:
            entry = next(one for one in place.ledger.audit.entries() if one.seq == 1)
            hashes = {
                order["client_order_id"]: order["gates_fingerprint"]
                for order in entry.details["orders"]
            }
            assert hashes == {name: gates_fingerprint(words) for name, words in results.items()}

    def test_changed_limits_are_named(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        for number, limits in enumerate(({"max": "2000"}, {"max": "2000"})):
            record_orders(
                place.books,
                place.market,
                make_order(name=f"tg1-{number}", decision_id=f"dec-{number}"),
                name=f"dec-{number}",
                strategy="strategy of dec-a",
                session=NEXT_SESSION + timedelta(days=number),
                limits={"open_door": limits},
                policy="looser",
            )
        place.expect_events(
            "decision_recorded", "limits_changed", "decision_recorded", "decision_recorded"
        )
        if place.ledger:
            (changed,) = (
                entry for entry in place.ledger.audit.entries() if entry.event == "limits_changed"
            )
            assert changed.details["policy"] == {"old": "strict", "new": "looser"}
            assert changed.details["limits"] == [
                {"gate": "open_door", "limit": "max", "old": "1000.50", "new": "2000"}
            ]


class TestCommitments:
    def test_buys_bind_cash_and_sales_do_not(self, place: BookPlace) -> None:
        sale = make_order(name="tg1-s", quantity_shares=500, **SALE)
        record_orders(place.books, place.market, sale, make_order())
        found = place.books.decisions.commitments(SESSION)
        assert [record.intent.client_order_id for record in found.working] == ["tg1-a", "tg1-s"]
        # 300 shares at 10.10, and a thousandth for fees.
        assert dict(found.reserved_cash) == {"tg1-a": Decimal("3033.03")}
        assert dict(found.sent_in_session) == {"600000.SH": 1, "000001.SZ": 1}
        assert dict(place.books.decisions.commitments(NEXT_SESSION).sent_in_session) == {}

    def test_the_next_decision_sees_what_the_last_one_bound(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        seen: list[Commitments] = []

        def decide(found: Commitments) -> GatedDecision:
            seen.append(found)
            return make_gated(place.market, name="dec-b")

        place.books.decisions.record_decision("dec-b", decide, session=SESSION)
        assert seen == [place.books.decisions.commitments(SESSION)]
        assert list(seen[0].reserved_cash) == ["tg1-a"]

    def test_fills_give_cash_back_up_to_a_cent(self, place: BookPlace) -> None:
        record_orders(place.books, place.market, make_order(quantity_shares=700))
        executions = place.books.executions
        executions.record_executions([make_fill(place.market, quantity_shares=300)], [])
        # 7077.07 * 400 / 700 = 4044.04
        assert place.reserved() == {"tg1-a": "4044.04"}
        executions.record_executions([make_fill(place.market, name="e2", quantity_shares=1)], [])
        # 7077.07 * 399 / 700 = 4033.9299, rounded up
        assert place.reserved() == {"tg1-a": "4033.93"}

    @pytest.mark.parametrize("end", ["canceled", "expired", "rejected"])
    def test_an_ended_order_binds_nothing(self, place: BookPlace, end: str) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.apply(make_event(OrderStatus.ACKED))
        ended = make_event(OrderStatus(end), reason="so it is", broker_order_id="B-1")
        place.books.orders.apply(ended)
        found = place.books.decisions.commitments(SESSION)
        assert (found.working, dict(found.reserved_cash)) == ((), {})
        assert dict(found.sent_in_session) == {"600000.SH": 1}

    def test_a_filled_order_binds_nothing(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        fill = make_fill(place.market, quantity_shares=300)
        place.books.executions.record_executions([fill], [])
        assert place.reserved() == {}
        assert place.order().status is OrderStatus.FILLED

    def test_denied_orders_were_not_sent(self, place: BookPlace) -> None:
        record_orders(place.books, place.market, make_order(), denied="tg1-a")
        assert dict(place.books.decisions.commitments(SESSION).sent_in_session) == {}

    def test_calls_of_the_last_minute_are_kept_in_order(self, place: BookPlace) -> None:
        names = ("tg1-a", "tg1-b", "tg1-c")
        record_orders(place.books, place.market, *(make_order(name=name) for name in names))
        for name in reversed(names):
            send(place.books, name)
            place.clock.advance(timedelta(seconds=25))
        found = place.books.decisions.commitments(SESSION).sent_at
        assert found == (NOW + timedelta(seconds=25), NOW + timedelta(seconds=50))

    def test_open_incidents_are_among_them(self, place: BookPlace) -> None:
        place.books.incidents.raise_incidents([make_incident()])
        assert place.books.decisions.commitments(SESSION).incidents == (make_incident(),)


class TestSending:
    def test_an_intent_is_submitting_from_the_call_on(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        assert send(place.books).verdict is SendVerdict.GO
        assert (place.order().status, place.order().sent_at) == (OrderStatus.SUBMITTING, NOW)
        place.expect_events("decision_recorded", "lease_acquired", "order_submitting")

    def test_an_order_is_taken_once(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        assert [send(place.books).verdict for _ in range(2)] == [SendVerdict.GO, SendVerdict.MOVED]
        assert send(place.books, "tg1-nope").verdict is SendVerdict.MOVED

    def test_a_second_call_keeps_the_status_and_forgets_the_misses(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.apply(make_event(OrderStatus.UNKNOWN, reason="timed out"))
        for misses in (1, 2):
            assert place.books.orders.record_miss("tg1-a").misses == misses
        assert place.order().missed_at == NOW
        place.clock.advance(timedelta(seconds=30))
        permit = send(place.books, expected=OrderStatus.UNKNOWN)
        found = place.order()
        assert permit.verdict is SendVerdict.GO
        assert (found.status, found.misses, found.missed_at) == (OrderStatus.UNKNOWN, 0, None)
        assert found.sent_at == NOW + timedelta(seconds=30)

    def test_an_older_token_is_fenced(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        paused = take_lease(place.books, holder="paused")
        place.clock.advance(timedelta(seconds=6))
        take_lease(place.books, holder="other")
        permit = place.books.orders.begin_sending(
            "tg1-a", OrderStatus.INTENT, lease=paused, venue=Venue()
        )
        assert permit.verdict is SendVerdict.FENCED
        assert "other" in permit.reason
        assert place.order().status is OrderStatus.INTENT

    def test_a_lapsed_lease_is_fenced_whatever_it_says_of_itself(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        lease = take_lease(place.books, seconds=5)
        place.clock.advance(timedelta(seconds=5))
        forged = replace(lease, expires_at=NOW + timedelta(days=1))
        for held in (lease, forged, replace(lease, name="never taken")):
            permit = place.books.orders.begin_sending(
                "tg1-a", OrderStatus.INTENT, lease=held, venue=Venue()
            )
            assert permit.verdict is SendVerdict.FENCED

    def test_nothing_goes_while_the_kill_switch_is_engaged(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        place.books.kill_switch.engage(reason="drawdown", actor="ann")
        permit = send(place.books)
        assert (permit.verdict, permit.reason) == (SendVerdict.HALTED, "drawdown")
        assert (place.order().status, place.order().sent_at) == (OrderStatus.INTENT, None)

    def test_a_live_venue_that_nobody_armed_gets_nothing(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        live = Venue("api.alpaca.markets", "A1", is_live=True)
        assert send(place.books, venue=live).verdict is SendVerdict.UNARMED
        assert place.order().status is OrderStatus.INTENT
        place.expect_events("decision_recorded", "lease_acquired", "order_held_back")

    @pytest.mark.parametrize(
        ("change", "verdict"),
        [
            ({}, SendVerdict.BLOCKED),
            ({"symbol": ""}, SendVerdict.BLOCKED),
            ({"symbol": "000001.SZ"}, SendVerdict.GO),
            ({"blocks": False}, SendVerdict.GO),
        ],
    )
    def test_an_open_incident_holds_back_its_symbol_or_all(
        self, place: BookPlace, change: dict[str, Any], verdict: SendVerdict
    ) -> None:
        record_orders(place.books, place.market)
        place.books.incidents.raise_incidents([make_incident(**change)])
        permit = send(place.books)
        assert permit.verdict is verdict
        if verdict is SendVerdict.GO:
            return
        assert permit.reason == "an incident is open: inc-a"
        assert (place.order().status, place.order().sent_at) == (OrderStatus.INTENT, None)
        place.expect_events(
            "decision_recorded", "incident_raised", "lease_acquired", "order_held_back"
        )
        place.books.incidents.acknowledge("inc-a", actor="ann", reason="seen")
        assert send(place.books).verdict is SendVerdict.GO


class TestEvents:
    def test_an_allowed_event_moves_the_order_and_is_kept(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        at = datetime(2024, 1, 3, 1, 30, 0, 123456, tzinfo=UTC)
        event = make_event(
            OrderStatus.ACKED,
            broker_order_id="B7",
            filled_shares=0,
            updated_at=at,
            raw='{"id": "B7"}',
        )
        moved = place.books.orders.apply(event)
        assert (moved.before, moved.after) == (OrderStatus.SUBMITTING, OrderStatus.ACKED)
        (stored,) = place.books.events.events("tg1-a")
        assert (stored.event, stored.recorded_at, stored.refusal) == (event, NOW, "")
        found = place.order()
        assert (found.broker_order_id, found.updated_at, found.source) == (
            "B7",
            at,
            EventSource.SUBMISSION,
        )

    def test_the_brokers_name_stays_when_none_is_given(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.apply(make_event(OrderStatus.ACKED, broker_order_id="B7"))
        place.books.orders.apply(make_event(OrderStatus.CANCELED, reason="by the user"))
        assert (place.order().broker_order_id, place.order().reason) == ("B7", "by the user")

    def test_an_illegal_event_is_kept_with_its_refusal_once(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        before = place.order()
        for raw in ("first", "second"):
            moved = place.books.orders.apply(make_event(OrderStatus.ACKED, raw=raw))
            assert moved.refusal
        (stored,) = place.books.events.events("tg1-a")
        assert (stored.refusal, stored.event.raw) == (moved.refusal, "first")
        assert place.order() == before
        place.expect_events("decision_recorded", "order_event_refused")

    def test_what_says_nothing_new_is_not_kept(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        for source in (EventSource.SUBMISSION, EventSource.RECOVERY, EventSource.STREAM):
            place.books.orders.apply(
                make_event(OrderStatus.ACKED, broker_order_id="B7", source=source)
            )
        assert len(place.books.events.events("tg1-a")) == 1

    def test_an_answer_ends_the_misses(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.record_miss("tg1-a")
        place.books.orders.apply(make_event(OrderStatus.ACKED))
        assert (place.order().misses, place.order().missed_at) == (0, None)

    def test_of_an_order_that_stays_unknown_the_newest_reason_counts(
        self, place: BookPlace
    ) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        for reason in ("timed out", "refused"):
            place.books.orders.apply(make_event(OrderStatus.UNKNOWN, reason=reason))
        assert (place.order().status, place.order().reason) == (OrderStatus.UNKNOWN, "refused")
        assert len(place.books.events.events("tg1-a")) == 2

    @pytest.mark.parametrize(("misses", "end"), [(1, "unknown"), (2, "rejected")])
    def test_a_refusal_after_an_unknown_call_takes_two_misses(
        self, place: BookPlace, misses: int, end: str
    ) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.apply(make_event(OrderStatus.UNKNOWN, reason="timed out"))
        for _ in range(misses):
            place.books.orders.record_miss("tg1-a")
        place.books.orders.apply(make_event(OrderStatus.REJECTED, reason="refused"))
        assert place.order().status == end

    def test_shares_that_an_event_counts_are_not_fills(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.apply(make_event(OrderStatus.PARTIAL, filled_shares=100))
        assert (place.order().status, place.order().filled_shares) == (OrderStatus.PARTIAL, 0)

    def test_text_that_a_database_refuses_is_kept_readable(self, place: BookPlace) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.apply(make_event(OrderStatus.ACKED, raw="a\0b\udc80c 拒绝"))
        (stored,) = place.books.events.events("tg1-a")
        assert stored.event.raw.startswith("a")
        assert stored.event.raw.endswith("c 拒绝")

    def test_an_order_that_is_not_there_is_a_bug(self, place: BookPlace) -> None:
        with pytest.raises(InvariantBroken, match="tg1-nope"):
            place.books.orders.apply(make_event(OrderStatus.ACKED, name="tg1-nope"))
        with pytest.raises(InvariantBroken, match="tg1-nope"):
            place.books.orders.record_miss("tg1-nope")
        assert place.books.orders.order("tg1-nope") is None

    def test_orders_of_a_session_come_by_name(self, place: BookPlace) -> None:
        limited = make_order(name="tg1-B", limit_price=Decimal("10.20"))
        record_orders(place.books, place.market, make_order(), limited, make_order(name="tg1-_"))
        found = [record.intent for record in place.books.orders.orders(SESSION)]
        assert found == [
            make_intent(place.market, name="tg1-B", limit_price=Decimal("10.20")),
            make_intent(place.market, name="tg1-_"),
            make_intent(place.market),
        ]
        assert list(place.books.orders.orders(NEXT_SESSION)) == []


class TestLeases:
    def test_one_holder_at_a_time(self, place: BookPlace) -> None:
        leases = place.books.leases
        first = leases.acquire("send", "a", seconds=5)
        assert first is not None
        assert first.expires_at == NOW + timedelta(seconds=5)
        assert leases.acquire("send", "b", seconds=5) is None
        assert leases.acquire("other", "b", seconds=5) is not None
        place.clock.advance(timedelta(seconds=5))
        second = leases.acquire("send", "b", seconds=5)
        assert second is not None
        assert second.token > first.token
        assert leases.renew(first, seconds=5) is None

    def test_a_clock_that_is_set_right_takes_a_lease_from_nobody(self, place: BookPlace) -> None:
        held = take_lease(place.books, holder="a")
        place.clock.advance(timedelta(seconds=-1))
        assert place.books.leases.acquire("send", "b", seconds=5) is None
        assert place.books.leases.renew(held, seconds=5) is not None

    def test_a_lease_of_a_clock_that_jumped_back_has_lapsed(self, place: BookPlace) -> None:
        ahead = take_lease(place.books, holder="a")
        place.clock.advance(timedelta(hours=-1))
        taken = place.books.leases.acquire("send", "b", seconds=5)
        assert taken is not None
        assert taken.token > ahead.token
        assert place.books.leases.renew(ahead, seconds=5) is None

    def test_a_renewed_lease_lasts_longer_under_its_token(self, place: BookPlace) -> None:
        lease = take_lease(place.books)
        place.clock.advance(timedelta(seconds=4))
        renewed = place.books.leases.renew(lease, seconds=5)
        assert renewed == replace(lease, expires_at=NOW + timedelta(seconds=9))
        place.clock.advance(timedelta(seconds=4))
        assert place.books.leases.acquire("send", "b", seconds=5) is None

    def test_a_lapsed_lease_cannot_be_renewed(self, place: BookPlace) -> None:
        lease = take_lease(place.books)
        place.clock.advance(timedelta(seconds=5))
        assert place.books.leases.renew(lease, seconds=5) is None

    def test_a_released_lease_is_free_and_tokens_go_on_rising(self, place: BookPlace) -> None:
        lease = take_lease(place.books)
        place.books.leases.release(lease)
        place.books.leases.release(replace(lease, name="never taken"))
        taken = place.books.leases.acquire("send", "b", seconds=5)
        assert taken is not None
        assert taken.token > lease.token
        place.books.leases.release(lease)
        assert place.books.leases.acquire("send", "c", seconds=5) is None

    def test_a_holder_that_starts_again_fences_its_former_self(self, place: BookPlace) -> None:
        former = take_lease(place.books)
        again = take_lease(place.books)
        assert again.token > former.token
        assert place.books.leases.renew(former, seconds=5) is None


class TestIncidents:
    def test_what_stands_open_is_raised_once(self, place: BookPlace) -> None:
        book = place.books.incidents
        other = make_incident(incident_id="inc-b", symbol="", blocks=False)
        assert book.raise_incidents([make_incident(), make_incident(), other]) == 2
        assert book.raise_incidents([make_incident(found="else")]) == 0
        assert list(book.open_incidents()) == [make_incident(), other]
        place.expect_events("incident_raised", "incident_raised")

    def test_a_person_closes_it_and_it_may_be_raised_again(self, place: BookPlace) -> None:
        book = place.books.incidents
        book.raise_incidents([make_incident()])
        booking = make_booking(place.market, kind="adjustment", shares=0, cash=Decimal(0))
        book.acknowledge("inc-a", actor="ann", reason="looked into it", bookings=[booking])
        assert list(book.open_incidents()) == []
        assert list(place.books.executions.bookings(SESSION)) == [booking]
        assert book.raise_incidents([make_incident()]) == 1
        place.expect_events(
            "incident_raised", "executions_recorded", "incident_acknowledged", "incident_raised"
        )

    @pytest.mark.parametrize(
        ("actor", "reason"), [("system", "fine"), (" System ", "fine"), ("", "fine"), ("ann", " ")]
    )
    def test_closing_takes_a_person_and_a_reason(
        self, place: BookPlace, actor: str, reason: str
    ) -> None:
        book = place.books.incidents
        book.raise_incidents([make_incident()])
        with pytest.raises(AccessDenied):
            book.acknowledge("inc-a", actor=actor, reason=reason)
        assert len(book.open_incidents()) == 1

    def test_odd_words_are_made_clean_and_never_refused(self, place: BookPlace) -> None:
        book = place.books.incidents
        incident = make_incident(
            incident_id="i" * 300, reference="r\0", symbol="s" * 33, found="\udcdf"
        )
        assert book.raise_incidents([incident]) == 1
        assert book.raise_incidents([incident]) == 0
        (standing,) = book.open_incidents()
        book.acknowledge(standing.incident_id, actor="ann" * 99, reason="Stra\udcdfe\0")
        assert book.open_incidents() == ()

    def test_what_is_not_open_cannot_be_closed(self, place: BookPlace) -> None:
        book = place.books.incidents
        with pytest.raises(ConfigError, match="no open incident inc-a"):
            book.acknowledge("inc-a", actor="ann", reason="fine")
        book.raise_incidents([make_incident()])
        stranger = make_booking("other")
        with pytest.raises(InvariantBroken):
            book.acknowledge("inc-a", actor="ann", reason="fine", bookings=[stranger])
        assert len(book.open_incidents()) == 1


class TestReconciliations:
    def test_nothing_was_reconciled_at_first(self, place: BookPlace) -> None:
        assert place.books.reconciliations.latest() is None
        assert place.books.reconciliations.compared() is None

    def test_it_is_known_when_the_newest_session_came_to_its_outcome(
        self, place: BookPlace
    ) -> None:
        book = place.books.reconciliations
        for minutes, session, breaks in (
            (0, NEXT_SESSION, 2),
            (1, NEXT_SESSION, 0),
            (2, NEXT_SESSION, 0),
            (3, SESSION, 1),
        ):
            place.clock.advance(timedelta(minutes=minutes))
            book.record_reconciliation(session, breaks=breaks, fingerprint=f"of {breaks}")
        assert book.compared() == (NEXT_SESSION, NOW + timedelta(minutes=1))

    def test_the_newest_session_counts_whatever_was_written_last(self, place: BookPlace) -> None:
        book = place.books.reconciliations
        book.record_reconciliation(NEXT_SESSION, breaks=2, fingerprint="b")
        book.record_reconciliation(SESSION, breaks=0, fingerprint="a")
        assert book.latest() == (NEXT_SESSION, 2)

    def test_repeating_it_writes_nothing_and_a_new_outcome_replaces(self, place: BookPlace) -> None:
        book = place.books.reconciliations
        for breaks in (2, 2, 0, 0):
            book.record_reconciliation(SESSION, breaks=breaks, fingerprint=f"of {breaks}")
        assert book.latest() == (SESSION, 0)
        place.expect_events("reconciliation_recorded", "reconciliation_recorded")
