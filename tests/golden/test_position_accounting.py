"""The fold of executions against a sequence worked out by hand: price, average and result."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.support.executions import make_fill
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book

DAY = date(2024, 1, 3)

# Shares (signed), price -> position, average cost, realised result to date.
SEQUENCE = [
    (100, "10", 100, "10", "0"),
    (50, "11.5", 150, "10.5", "0"),
    (-120, "12", 30, "10.5", "180"),
    (-80, "9", -50, "9", "135"),
    (20, "9.5", -30, "9", "125"),
    (30, "8", 0, "0", "155"),
]


@pytest.mark.parametrize("steps", range(1, len(SEQUENCE) + 1))
def test_the_golden_sequence(steps: int) -> None:
    fills = [
        make_fill(DAY, abs(shares), price, side=Side.BUY if shares > 0 else Side.SELL, name=str(n))
        for n, (shares, price, *_) in enumerate(SEQUENCE[:steps])
    ]
    book = executions_to_book(fills, [], session=DAY, unsellable_sessions=0)
    _, _, quantity, average, realised = SEQUENCE[steps - 1]
    position = book.positions["AAA"]
    assert (position.quantity_shares, position.average_cost, position.realised_pnl) == (
        quantity,
        Decimal(average),
        Decimal(realised),
    )
