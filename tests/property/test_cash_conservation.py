"""Ten years of random trading in 300 names lose no cent, whatever is busted or booked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from tests.support.executions import make_booking, make_fill
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.schema import Booking, Fill

FIRST = date(2014, 1, 1)
SESSIONS_A_YEAR = 250
DEPOSIT = 50_000_000


def trade(
    *, sessions: int, names: int, fills_a_session: int, seed: int
) -> tuple[list[Fill], list[Booking], dict[str, Fraction]]:
    """Executions, and what cash, fees and shares they come to in exact fractions."""
    random = Random(seed)
    exact = {"cash": Fraction(DEPOSIT), "fees": Fraction(0)}
    fills: list[Fill] = []
    bookings = [make_booking(FIRST, "deposit", cash=str(DEPOSIT))]
    for number in range(sessions):
        day = FIRST + timedelta(days=number)
        for index in range(fills_a_session):
            name = f"{number}-{index}"
            fill = replace(
                make_fill(
                    day,
                    random.randint(1, 50_000),
                    Decimal(random.randint(1, 3_000_000)).scaleb(-4),
                    side=random.choice(list(Side)),
                    fee=Decimal(random.randint(0, 100_000)).scaleb(-2),
                    name=name,
                ),
                symbol=f"S{random.randrange(names):03}",
            )
            fills.append(fill)
            if random.random() < 0.01:
                fills.append(replace(fill, execution_id=f"{name}-bust", busts=name))
                continue
            sign = 1 if fill.side is Side.BUY else -1
            exact["cash"] -= sign * Fraction(fill.price) * fill.quantity_shares + Fraction(fill.fee)
            exact["fees"] += Fraction(fill.fee)
            exact[fill.symbol] = exact.get(fill.symbol, Fraction(0)) + sign * fill.quantity_shares
        if number % 20 == 0:
            symbol, cash = f"S{random.randrange(names):03}", Decimal(random.randint(1, 10**7))
            bookings.append(
                make_booking(
                    day, "dividend", symbol=symbol, cash=str(cash.scaleb(-2)), name=f"d{number}"
                )
            )
            exact["cash"] += Fraction(cash.scaleb(-2))
    return fills, bookings, exact


def check(fills: list[Fill], bookings: list[Booking], exact: dict[str, Fraction]) -> None:
    last = fills[-1].session
    book = executions_to_book(fills, bookings, session=last, unsellable_sessions=1)
    assert abs(Fraction(book.cash) - exact["cash"]) <= Fraction(1, 100)
    assert Fraction(book.cash) == exact["cash"]
    assert Fraction(book.fees) == exact["fees"]
    held = {name: one.quantity_shares for name, one in book.positions.items()}
    traded = {name: shares for name, shares in exact.items() if name not in ("cash", "fees")}
    assert {name: held.get(name, 0) for name in traded} == traded
    mark = Decimal("123.45")
    equity = book.cash + sum(held.values()) * mark
    income = sum((one.cash for one in bookings if one.kind == "dividend"), Decimal(0))
    result = sum(
        one.realised_pnl + one.quantity_shares * (mark - one.average_cost)
        for one in book.positions.values()
    )
    assert abs(equity - DEPOSIT - (result + income - book.fees)) < Decimal("0.01")


@pytest.mark.parametrize("seed", range(3))
def test_a_year_of_thirty_names(seed: int) -> None:
    check(*trade(sessions=SESSIONS_A_YEAR, names=30, fills_a_session=10, seed=seed))


@pytest.mark.slow
def test_ten_years_of_three_hundred_names() -> None:
    check(*trade(sessions=10 * SESSIONS_A_YEAR, names=300, fills_a_session=60, seed=7))
