from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.support.executions import make_booking
from tests.support.trading_world import FeeMarket
from tradegraph_dagster.domain.orders.valuation import (
    conservative_fee_frac,
    flows_by_session,
    highest_equity,
)

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]


def test_only_money_from_outside_is_a_flow() -> None:
    bookings = [
        make_booking(DAYS[0], "deposit", cash="1000"),
        make_booking(DAYS[0], "deposit", cash="500", name="second"),
        make_booking(DAYS[1], "dividend", symbol="AAA", cash="7"),
        make_booking(DAYS[2], "withdrawal", cash="-200"),
    ]
    found = flows_by_session(bookings, _no_prices)
    assert found == {DAYS[0]: Decimal(1500), DAYS[2]: Decimal(-200)}


def _no_prices(session: date) -> dict[str, float]:
    raise AssertionError(f"prices of {session} are not needed")


def test_transferred_shares_count_at_the_price_of_their_session() -> None:
    prices = {DAYS[0]: {"AAA": 10.0, "BBB": 4.5}, DAYS[1]: {"AAA": 11.0}}
    bookings = [
        make_booking(DAYS[0], "transfer", symbol="AAA", shares=300),
        make_booking(DAYS[0], "transfer", symbol="BBB", shares=-100, cash="-2", name="out"),
        make_booking(DAYS[1], "transfer", symbol="AAA", shares=-200),
        make_booking(DAYS[1], "transfer", symbol="ZZZ", shares=50, name="unpriced"),
        make_booking(DAYS[1], "bonus", symbol="AAA", shares=30),
    ]
    found = flows_by_session(bookings, prices.__getitem__)
    assert found == {DAYS[0]: Decimal(2_548), DAYS[1]: Decimal(-2_200)}


@pytest.mark.parametrize(
    ("flows", "equity", "peak"),
    [
        ({}, 900, 1_100),
        ({}, 1_200, 1_200),
        ({DAYS[2]: Decimal(-300)}, 700, 800),
        ({DAYS[2]: Decimal(500)}, 1_300, 1_600),
        ({DAYS[3]: Decimal(500)}, 1_400, 1_600),
    ],
)
def test_the_peak_moves_with_money_from_outside(flows, equity: int, peak: int) -> None:
    decided = [(DAYS[1], Decimal(1_000)), (DAYS[2], Decimal(1_100)), (DAYS[3], Decimal(700))]
    assert highest_equity(decided, flows, equity=Decimal(equity)) == peak


def test_without_earlier_decisions_the_peak_is_the_equity() -> None:
    opened = {DAYS[0]: Decimal(1_000)}
    assert highest_equity([], opened, equity=Decimal(1_000)) == 1_000


@pytest.mark.parametrize("notional", ["100000", "5000", "0", "-3"])
def test_the_fee_fraction_covers_both_sides(notional: str) -> None:
    market, amount = FeeMarket(), Decimal(notional)
    frac = conservative_fee_frac(market, amount, DAYS[0])
    for side in ("buy", "sell"):
        fee = market.fees(side, amount, DAYS[0], shares=100).total if amount > 0 else Decimal(0)
        assert frac * amount >= fee or amount <= 0
    assert frac > 0
