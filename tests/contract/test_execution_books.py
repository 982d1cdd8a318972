"""Fills and bookings and what follows from them, whichever store keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.book_places import STORES, BookPlace, book_place
from tests.support.ledgers import (
    NEXT_SESSION,
    NOW,
    SESSION,
    make_booking,
    make_event,
    make_fill,
    make_order,
    record_orders,
    send,
)
from tradegraph_dagster.adapters.sql.tables import CASH_ENTRIES, LOTS
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.admission import UNREAD
from tradegraph_dagster.domain.orders.lots import Lot, open_lots
from tradegraph_dagster.domain.orders.schema import (
    BookedExecutions,
    Fill,
    IncidentKind,
    OrderStatus,
)

BUST = {"name": "x1", "busts": "e1"}


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BookPlace]:
    with book_place(request.param, tmp_path) as books:
        yield books
        check_projections(books)


def check_projections(place: BookPlace) -> None:
    """The stored lots and cash are what the fills and bookings come to."""
    if place.ledger is None:
        return
    executions, end = place.books.executions, NEXT_SESSION + timedelta(days=99)
    fills, bookings = executions.fills(end), executions.bookings(end)
    with place.ledger.engine.connect() as connection:
        rows = connection.execute(select(LOTS).where(LOTS.c.market == place.market)).all()
        amounts = connection.execute(
            select(CASH_ENTRIES.c.amount).where(CASH_ENTRIES.c.market == place.market)
        ).scalars()
        cash = sum(amounts, Decimal(0))
    stored = sorted(rows, key=lambda row: (row.symbol, row.number))
    assert [Lot(row.symbol, row.session, row.shares, row.price) for row in stored] == open_lots(
        fills, bookings
    )
    book = executions_to_book(fills, bookings, session=end, unsellable_sessions=0)
    assert cash == book.cash


def book(place: BookPlace, *fills: Fill) -> BookedExecutions:
    return place.books.executions.record_executions(fills, [])


def kinds(place: BookPlace) -> list[IncidentKind]:
    return [incident.kind for incident in place.books.incidents.open_incidents()]


def order_that_is(place: BookPlace, status: OrderStatus) -> None:
    """tg1-a, a buy of 300, brought to a status the way it would come there."""
    record_orders(place.books, place.market, denied="tg1-a" * (status is OrderStatus.DENIED))
    if status in (OrderStatus.INTENT, OrderStatus.DENIED):
        return
    send(place.books)
    for step in (OrderStatus.ACKED, status):
        place.books.orders.apply(make_event(step, filled_shares=0, broker_order_id="B-1"))
    assert place.order().status is status


class TestBooking:
    def test_executions_are_stored_once(self, place: BookPlace) -> None:
        fill, booking = make_fill(place.market), make_booking(place.market)
        executions = place.books.executions
        assert executions.record_executions([fill], [booking]) == BookedExecutions(new=2)
        again = executions.record_executions([fill, fill], [booking])
        assert again == BookedExecutions(repeated=3)
        assert list(executions.fills(SESSION)) == [fill]
        assert list(executions.bookings(SESSION)) == [booking]
        place.expect_events("executions_recorded")

    def test_a_fill_given_twice_in_one_call_is_stored_once(self, place: BookPlace) -> None:
        fill = make_fill(place.market)
        assert book(place, fill, replace(fill)) == BookedExecutions(new=1, repeated=1)

    def test_money_and_time_come_back_exactly(self, place: BookPlace) -> None:
        price = Decimal("12.345678901234567890123")
        fill = make_fill(place.market, price=price, fee=Decimal("0.00"))
        book(place, fill)
        (stored,) = place.books.executions.fills(SESSION)
        assert (str(stored.price), str(stored.fee)) == (str(price), "0.00")
        assert stored.filled_at == fill.filled_at
        assert stored.filled_at.utcoffset() == timedelta(0)

    def test_two_brokers_may_use_one_id(self, place: BookPlace) -> None:
        fills = (make_fill(place.market), make_fill(place.market, broker="other"))
        assert book(place, *fills) == BookedExecutions(new=2)

    def test_another_markets_executions_are_refused(self, place: BookPlace) -> None:
        good = make_fill(place.market)
        for executions in (([good, make_fill("other")], []), ([good], [make_booking("other")])):
            with pytest.raises(InvariantBroken):
                place.books.executions.record_executions(*executions)
        assert list(place.books.executions.fills(SESSION)) == []

    def test_order_of_booking_is_kept_and_later_sessions_left_out(self, place: BookPlace) -> None:
        book(
            place,
            make_fill(place.market, name="z"),
            make_fill(place.market, name="a", session=NEXT_SESSION),
            make_fill(place.market, name="m"),
        )
        names = [fill.execution_id for fill in place.books.executions.fills(SESSION)]
        assert names == ["z", "m"]
        assert len(place.books.executions.fills(NEXT_SESSION)) == 3

    def test_a_fill_of_an_unknown_order_is_kept(self, place: BookPlace) -> None:
        fill = make_fill(place.market, client_order_id="someone-elses")
        assert book(place, fill) == BookedExecutions(new=1)
        assert list(place.books.executions.fills(SESSION)) == [fill]


class TestOrdersOfFills:
    def test_fills_raise_the_shares_and_complete_the_order(self, place: BookPlace) -> None:
        order_that_is(place, OrderStatus.ACKED)
        book(place, make_fill(place.market))
        assert (place.order().filled_shares, place.order().status) == (100, OrderStatus.PARTIAL)
        booked = book(
            place, make_fill(place.market), make_fill(place.market, name="e2", quantity_shares=200)
        )
        assert (booked.new, booked.repeated) == (1, 1)
        assert (place.order().filled_shares, place.order().status) == (300, OrderStatus.FILLED)
        assert kinds(place) == []

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("canceled", IncidentKind.LATE_FILL),
            ("expired", IncidentKind.LATE_FILL),
            ("rejected", IncidentKind.FILL_AFTER_REJECTION),
            ("denied", IncidentKind.FILL_AFTER_REJECTION),
            ("intent", IncidentKind.ORPHAN_ORDER),
        ],
    )
    def test_a_fill_that_should_not_be_is_booked_and_reported(
        self, place: BookPlace, status: str, kind: IncidentKind
    ) -> None:
        order_that_is(place, OrderStatus(status))
        booked = book(place, make_fill(place.market))
        assert booked.new == 1
        assert [incident.kind for incident in booked.incidents] == kinds(place) == [kind]
        assert place.order().filled_shares == 100
        assert len(place.books.executions.fills(SESSION)) == 1
        assert book(place, make_fill(place.market)) == BookedExecutions(repeated=1)
        assert len(kinds(place)) == 1

    @pytest.mark.parametrize(
        ("status", "stops"), [("rejected", True), ("denied", True), ("canceled", False)]
    )
    def test_a_fill_of_a_refused_order_stops_trading_as_it_is_booked(
        self, place: BookPlace, status: str, stops: bool
    ) -> None:
        order_that_is(place, OrderStatus(status))
        book(place, make_fill(place.market))
        halt = place.books.kill_switch.engaged()
        assert halt == ("fill_after_rejection e1: 100 shares at 10.10" if stops else None)

    def test_an_overfill_is_booked_and_blocks(self, place: BookPlace) -> None:
        order_that_is(place, OrderStatus.ACKED)
        booked = book(place, make_fill(place.market, quantity_shares=400))
        (incident,) = booked.incidents
        assert (incident.kind, incident.blocks) == (IncidentKind.OVERFILL, True)
        assert (place.order().filled_shares, place.order().status) == (400, OrderStatus.FILLED)

    @pytest.mark.parametrize("change", [{"symbol": "000001.SZ"}, {"side": Side.SELL}])
    def test_a_fill_of_other_content_than_its_order_is_reported(
        self, place: BookPlace, change: dict[str, Any]
    ) -> None:
        order_that_is(place, OrderStatus.ACKED)
        book(place, make_fill(place.market, **change))
        assert kinds(place) == [IncidentKind.ORDER_MISMATCH]


class TestConflicts:
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
    def test_a_known_id_with_other_content_is_kept_aside(
        self, place: BookPlace, change: dict[str, Any]
    ) -> None:
        record_orders(place.books, place.market)
        fill, new = make_fill(place.market), make_fill(place.market, name="e2")
        book(place, fill)
        booked = book(place, replace(fill, **change), new)
        (incident,) = booked.incidents
        assert (booked.new, incident.kind) == (1, IncidentKind.FILL_CONFLICT)
        assert (incident.symbol, incident.reference) == ("600000.SH", "e1")
        assert incident.expected != incident.found
        assert list(place.books.executions.fills(SESSION)) == [fill, new]
        assert place.order().filled_shares == 200

    def test_a_conflict_that_a_person_has_seen_is_not_raised_again(self, place: BookPlace) -> None:
        fill = make_fill(place.market)
        other = replace(fill, quantity_shares=200)
        book(place, fill)
        (incident,) = book(place, other).incidents
        assert book(place, other).incidents == ()
        place.books.incidents.acknowledge(incident.incident_id, actor="ann", reason="it is 100")
        assert book(place, other).incidents == ()
        assert len(book(place, replace(fill, quantity_shares=300)).incidents) == 1

    def test_a_known_booking_with_other_content_is_kept_aside(self, place: BookPlace) -> None:
        booking = make_booking(place.market)
        executions = place.books.executions
        executions.record_executions([], [booking])
        booked = executions.record_executions(
            [make_fill(place.market)], [replace(booking, cash=Decimal(1))]
        )
        assert (booked.new, kinds(place)) == (1, [IncidentKind.FILL_CONFLICT])
        assert list(executions.bookings(SESSION)) == [booking]


ODD = ["e\0", "e\ud800", "e" * 200]


class TestOddExecutions:
    @pytest.mark.parametrize("odd", ODD)
    def test_one_with_an_odd_name_is_booked_and_holds_back_no_other(
        self, place: BookPlace, odd: str
    ) -> None:
        order_that_is(place, OrderStatus.ACKED)
        fills = [make_fill(place.market), make_fill(place.market, name=odd)]
        booked = book(place, *fills)
        (incident,) = booked.incidents
        assert (booked.new, incident.kind) == (2, IncidentKind.ODD_EXECUTION)
        assert not incident.blocks
        assert place.order().filled_shares == 200
        again = book(place, *fills)
        assert (again.repeated, again.incidents) == (2, ())

    @pytest.mark.parametrize("odd", ODD)
    @pytest.mark.parametrize("name", ["client_order_id", "symbol"])
    def test_so_is_one_with_another_odd_text(self, place: BookPlace, name: str, odd: str) -> None:
        fills = [make_fill(place.market), make_fill(place.market, name="e2", **{name: odd})]
        assert book(place, *fills).new == 2
        assert IncidentKind.ODD_EXECUTION in kinds(place)

    @pytest.mark.parametrize("odd", ODD)
    def test_a_bust_of_an_odd_name_takes_it_back(self, place: BookPlace, odd: str) -> None:
        order_that_is(place, OrderStatus.ACKED)
        book(place, make_fill(place.market, name=odd))
        book(place, make_fill(place.market, name="x1", busts=odd))
        assert place.order().filled_shares == 0

    @pytest.mark.parametrize("odd", ODD)
    @pytest.mark.parametrize("name", ["booking_id", "kind", "symbol"])
    def test_a_booking_with_an_odd_text_is_booked(
        self, place: BookPlace, name: str, odd: str
    ) -> None:
        bookings = [make_booking(place.market), make_booking(place.market, name="b2")]
        bookings[1] = replace(bookings[1], **{name: odd})
        booked = place.books.executions.record_executions([], bookings)
        assert (booked.new, kinds(place)) == (2, [IncidentKind.ODD_EXECUTION])

    @pytest.mark.parametrize(
        "change",
        [
            {"quantity_shares": 0},
            {"quantity_shares": 2**63},
            {"price": Decimal("NaN")},
            {"price": Decimal("1E+200000")},
            {"fee": Decimal("Infinity")},
            {"filled_at": NOW.replace(tzinfo=None)},
        ],
    )
    def test_what_no_ledger_can_hold_is_kept_aside_and_blocks_its_symbol(
        self, place: BookPlace, change: dict[str, Any]
    ) -> None:
        order_that_is(place, OrderStatus.ACKED)
        good, odd = make_fill(place.market), make_fill(place.market, name="e2", **change)
        booked = book(place, odd, good)
        (incident,) = booked.incidents
        assert (booked.new, incident.kind) == (1, IncidentKind.ODD_EXECUTION)
        assert (incident.reference, incident.symbol) == ("e2", "600000.SH")
        assert incident.blocks
        assert "kept aside" in incident.found
        place.books.incidents.acknowledge(incident.incident_id, actor="ann", reason="seen")
        assert book(place, odd, good) == BookedExecutions(repeated=1)

    @pytest.mark.parametrize("change", [{"cash": Decimal("NaN")}, {"kind": UNREAD}])
    def test_so_is_a_booking(self, place: BookPlace, change: dict[str, Any]) -> None:
        bookings = [make_booking(place.market, name="b2", **change), make_booking(place.market)]
        booked = place.books.executions.record_executions([], bookings)
        assert (booked.new, kinds(place)) == (1, [IncidentKind.ODD_EXECUTION])

    @pytest.mark.parametrize("odd", ODD)
    def test_an_odd_name_of_the_broker_refuses_no_answer(self, place: BookPlace, odd: str) -> None:
        record_orders(place.books, place.market)
        send(place.books)
        place.books.orders.apply(make_event(OrderStatus.ACKED, broker_order_id=odd))
        assert place.order().status is OrderStatus.ACKED


class TestBusts:
    def test_a_bust_takes_the_shares_back_and_nothing_is_deleted(self, place: BookPlace) -> None:
        order_that_is(place, OrderStatus.ACKED)
        fills = [make_fill(place.market), make_fill(place.market, name="e2")]
        bust = make_fill(place.market, **BUST)
        book(place, *fills)
        assert place.reserved() == {"tg1-a": "1011.01"}
        assert book(place, bust) == BookedExecutions(new=1)
        assert (place.order().filled_shares, place.order().status) == (100, OrderStatus.PARTIAL)
        assert place.reserved() == {"tg1-a": "2022.02"}
        assert list(place.books.executions.fills(SESSION)) == [*fills, bust]
        assert book(place, bust) == BookedExecutions(repeated=1)

    def test_a_bust_leaves_a_filled_order_filled(self, place: BookPlace) -> None:
        order_that_is(place, OrderStatus.ACKED)
        book(place, make_fill(place.market, quantity_shares=300))
        book(place, make_fill(place.market, quantity_shares=300, **BUST))
        assert (place.order().filled_shares, place.order().status) == (0, OrderStatus.FILLED)

    def test_a_bust_may_come_with_its_trade_or_before_it(self, place: BookPlace) -> None:
        order_that_is(place, OrderStatus.ACKED)
        fill, bust = make_fill(place.market), make_fill(place.market, **BUST)
        assert book(place, bust, fill) == BookedExecutions(new=2)
        early = make_fill(place.market, name="x2", busts="e2")
        (incident,) = book(place, early).incidents
        assert (incident.kind, incident.reference) == (IncidentKind.UNKNOWN_BUST, "x2")
        trade = make_fill(place.market, name="e2", session=NEXT_SESSION)
        assert book(place, trade) == BookedExecutions(new=1)
        assert place.order().filled_shares == 0

    def test_a_bust_of_a_bust_is_of_nothing_known(self, place: BookPlace) -> None:
        book(place, make_fill(place.market), make_fill(place.market, **BUST))
        book(place, make_fill(place.market, name="x2", busts="x1"))
        assert kinds(place) == [IncidentKind.UNKNOWN_BUST]

    def test_a_bust_of_other_content_is_kept_aside(self, place: BookPlace) -> None:
        fill = make_fill(place.market)
        book(place, fill)
        book(place, make_fill(place.market, quantity_shares=200, **BUST))
        assert kinds(place) == [IncidentKind.FILL_CONFLICT]
        assert list(place.books.executions.fills(SESSION)) == [fill]

    def test_two_busts_take_back_once(self, place: BookPlace) -> None:
        order_that_is(place, OrderStatus.ACKED)
        book(place, make_fill(place.market), make_fill(place.market, name="e2"))
        book(place, make_fill(place.market, **BUST))
        book(place, make_fill(place.market, name="x2", busts="e1"))
        assert place.order().filled_shares == 100


class TestLots:
    def test_lots_follow_sales_corporate_actions_and_late_news(self, place: BookPlace) -> None:
        later = NEXT_SESSION
        executions = place.books.executions
        book(place, make_fill(place.market, quantity_shares=300))
        book(place, make_fill(place.market, name="e2", session=later, price=Decimal(11)))
        check_projections(place)
        bonus = make_booking(
            place.market, session=later, kind="bonus", symbol="600000.SH", shares=30
        )
        executions.record_executions([], [replace(bonus, cash=Decimal(0))])
        check_projections(place)
        sale = make_fill(
            place.market,
            name="s1",
            session=later + timedelta(days=1),
            side=Side.SELL,
            quantity_shares=350,
        )
        book(place, sale)
        check_projections(place)
        book(
            place,
            make_fill(place.market, name="e0"),
            make_fill(place.market, name="o", **{"symbol": "000001.SZ", "side": Side.SELL}),
        )
        check_projections(place)
        book(
            place,
            replace(make_fill(place.market, quantity_shares=300), execution_id="x1", busts="e1"),
        )

    def test_cash_of_a_limit_order_is_freed_by_its_fills(self, place: BookPlace) -> None:
        limited = make_order(limit_price=Decimal("10.50"))
        record_orders(place.books, place.market, limited)
        # 300 shares at 10.50, and a thousandth for fees.
        assert Decimal(place.reserved()["tg1-a"]) == Decimal("3153.15")
        book(place, make_fill(place.market, quantity_shares=300))
        assert place.reserved() == {}
