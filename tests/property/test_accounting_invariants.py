"""Folding executions conserves money, and how fills are cut or ordered does not matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.support.executions import make_booking, make_fill
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.schema import Book, Fill

FIRST = date(2024, 1, 1)
LAST = FIRST + timedelta(days=9)

prices = st.integers(1, 50_000).map(lambda cents: Decimal(cents).scaleb(-2))
sides = st.sampled_from(Side)


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    count = draw(st.integers(0, 15))
    fills = [
        make_fill(
            FIRST + timedelta(days=draw(st.integers(0, 9))),
            draw(st.integers(1, 5_000)),
            draw(prices),
            side=draw(sides),
            name=str(number),
            fee=draw(prices),
        )
        for number in range(count)
    ]
    return sorted(fills, key=lambda fill: fill.session)


def fold(fills: list[Fill]) -> Book:
    deposit = make_booking(FIRST, "deposit", cash="100000")
    return executions_to_book(fills, [deposit], session=LAST, unsellable_sessions=1)


def signed(fill: Fill) -> int:
    return fill.quantity_shares if fill.side is Side.BUY else -fill.quantity_shares


@given(histories())
def test_shares_and_cash_are_conserved(fills: list[Fill]) -> None:
    book = fold(fills)
    position = book.positions.get("AAA")
    assert (position.quantity_shares if position else 0) == sum(map(signed, fills))
    spent = sum(signed(fill) * fill.price + fill.fee for fill in fills)
    assert book.cash == 100_000 - spent
    assert position is None or 0 <= position.sellable_shares <= max(position.quantity_shares, 0)


@given(histories(), prices)
def test_realised_and_unrealised_less_fees_is_the_change_of_equity(
    fills: list[Fill], mark: Decimal
) -> None:
    book = fold(fills)
    held = [*book.positions.values()]
    equity = book.cash + sum(position.quantity_shares * mark for position in held)
    result = sum(
        position.realised_pnl + position.quantity_shares * (mark - position.average_cost)
        for position in held
    )
    assert abs(equity - 100_000 - (result - book.fees)) < Decimal("1e-6")


@given(histories(), st.integers(0, 99))
def test_splitting_a_fill_changes_nothing(fills: list[Fill], seed: int) -> None:
    random = Random(seed)
    pieces: list[Fill] = []
    for fill in fills:
        cut = random.randint(0, fill.quantity_shares - 1)
        first = replace(fill, quantity_shares=fill.quantity_shares - cut)
        pieces.append(first)
        if cut:
            zero = Decimal(0)
            pieces.append(replace(fill, execution_id="b", quantity_shares=cut, fee=zero))
    assert fold(pieces) == fold(fills)


@given(st.lists(st.integers(1, 5_000), max_size=12), prices, st.integers(0, 99), sides)
def test_the_order_of_fills_at_one_price_does_not_matter(
    sizes: list[int], price: Decimal, seed: int, side: Side
) -> None:
    opening = make_fill(FIRST, 70_000, "33.33", name="opening")
    fills = [
        make_fill(FIRST, shares, price, side=side, name=str(number), fee="1.5")
        for number, shares in enumerate(sizes)
    ]
    mixed = list(fills)
    Random(seed).shuffle(mixed)
    assert fold([opening, *mixed]) == fold([opening, *fills])
