from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.support.executions import make_booking, make_fill
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book

MONDAY, TUESDAY = date(2024, 1, 8), date(2024, 1, 9)


def fold(fills, bookings=(), *, session=TUESDAY, unsellable=1):
    return executions_to_book(fills, bookings, session=session, unsellable_sessions=unsellable)


def test_an_empty_ledger_is_an_empty_book() -> None:
    book = fold([])
    assert (book.positions, book.cash, book.fees, book.session) == ({}, 0, 0, TUESDAY)


def test_cash_is_deposits_less_buys_and_fees() -> None:
    deposit = make_booking(MONDAY, "deposit", cash="10000")
    fills = [
        make_fill(MONDAY, 100, "10.05", fee="5.01", name="a"),
        make_fill(TUESDAY, 50, "11", side=Side.SELL, fee="5.3", name="b"),
    ]
    book = fold(fills, [deposit])
    assert book.cash == Decimal("10000") - Decimal("1005") - Decimal("5.01") + 550 - Decimal("5.3")
    assert book.fees == Decimal("10.31")


def test_bonus_shares_lower_the_average_and_dividends_are_no_result() -> None:
    bookings = [
        make_booking(TUESDAY, "bonus", symbol="AAA", shares=40),
        make_booking(TUESDAY, "dividend", symbol="AAA", cash="25"),
    ]
    book = fold([make_fill(MONDAY, 100, "14")], bookings)
    position = book.positions["AAA"]
    assert (position.quantity_shares, position.average_cost, position.realised_pnl) == (140, 10, 0)
    assert book.cash == -1400 + 25


def test_bookings_of_a_session_come_before_its_fills() -> None:
    fills = [
        make_fill(MONDAY, 100, "20", name="a"),
        make_fill(TUESDAY, 100, "11", side=Side.SELL, name="b"),
    ]
    book = fold(fills, [make_booking(TUESDAY, "split", symbol="AAA", shares=100)])
    assert book.positions["AAA"].realised_pnl == 100


def test_what_is_booked_away_is_lost() -> None:
    book = fold(
        [make_fill(MONDAY, 5, "10")], [make_booking(TUESDAY, "split", symbol="AAA", shares=-5)]
    )
    position = book.positions["AAA"]
    assert (position.quantity_shares, position.average_cost, position.realised_pnl) == (0, 0, -50)


def test_later_sessions_are_left_out() -> None:
    fills = [make_fill(MONDAY, 100), make_fill(TUESDAY, 200, name="b")]
    assert fold(fills, session=MONDAY).positions["AAA"].quantity_shares == 100


@pytest.mark.parametrize(("unsellable", "sellable"), [(0, 300), (1, 300), (2, 100)])
def test_sellable_is_meant_for_the_next_session(unsellable: int, sellable: int) -> None:
    fills = [make_fill(MONDAY, 100), make_fill(TUESDAY, 200, name="b")]
    assert fold(fills, unsellable=unsellable).positions["AAA"].sellable_shares == sellable


def test_more_unsellable_sessions_would_need_a_calendar() -> None:
    with pytest.raises(InvariantBroken, match="found 3"):
        fold([], unsellable=3)


def test_a_closed_position_stays_for_its_result() -> None:
    fills = [make_fill(MONDAY, 100), make_fill(TUESDAY, 100, "12", side=Side.SELL, name="b")]
    position = fold(fills).positions["AAA"]
    assert (position.quantity_shares, position.realised_pnl) == (0, 200)


# Side, shares, price -> shares, average and result after it; one share of the contract each.
WORKED = [
    (Side.BUY, 100, "10", (100, "10", "0")),
    (Side.BUY, 50, "11.5", (150, "10.5", "0")),
    (Side.SELL, 120, "12", (30, "10.5", "180")),
    (Side.SELL, 80, "9", (-50, "9", "135")),
    (Side.BUY, 20, "9.5", (-30, "9", "125")),
    (Side.BUY, 30, "8", (0, "0", "155")),
]


def test_the_worked_example_through_zero_and_back() -> None:
    fills = []
    for number, (side, shares, price, expected) in enumerate(WORKED):
        fills.append(make_fill(MONDAY, shares, price, side=side, name=str(number)))
        held = fold(fills).positions["AAA"]
        found = (held.quantity_shares, held.average_cost, held.realised_pnl)
        assert found == (expected[0], Decimal(expected[1]), Decimal(expected[2]))


def bust(fill, session=TUESDAY):
    return replace(fill, session=session, execution_id=f"not-{fill.execution_id}", busts="b")


class TestBusts:
    kept = make_fill(MONDAY, 100, "10", fee="5", name="a")
    gone = make_fill(MONDAY, 50, "20", fee="6", name="b")
    sold = make_fill(TUESDAY, 100, "12", side=Side.SELL, fee="7", name="c")

    @pytest.mark.parametrize("at", range(4))
    def test_a_bust_and_what_it_busts_leave_no_trace(self, at: int) -> None:
        fills = [self.kept, self.gone, self.sold]
        fills.insert(at, bust(self.gone))
        assert fold(fills) == fold([self.kept, self.sold])

    def test_before_the_session_of_the_bust_the_fill_counts(self) -> None:
        fills = [self.kept, self.gone, bust(self.gone)]
        assert fold(fills, session=MONDAY) == fold([self.kept, self.gone], session=MONDAY)

    def test_a_bust_of_what_is_not_known_is_nothing(self) -> None:
        assert fold([self.kept, bust(self.gone)]) == fold([self.kept])

    def test_a_bust_of_another_brokers_execution_is_another(self) -> None:
        other = replace(bust(self.gone), broker="other")
        assert fold([self.kept, self.gone, other]) == fold([self.kept, self.gone])
