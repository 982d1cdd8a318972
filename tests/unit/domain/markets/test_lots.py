"""Order sizes by lot rule."""

from __future__ import annotations

import pytest

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.markets.lots import legal_buy_quantity, legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import LotRule

MAIN = LotRule(100, 100, 1_000_000)
STAR = LotRule(200, 1, 100_000)
BSE = LotRule(100, 1, 1_000_000)
US = LotRule(1, 1, 999_999)


@pytest.mark.parametrize(
    ("wanted", "rule", "expected"),
    [
        (0, MAIN, 0),
        (99, MAIN, 0),
        (100, MAIN, 100),
        (199, MAIN, 100),
        (1_000_050, MAIN, 1_000_000),
        (199, STAR, 0),
        (200, STAR, 200),
        (201, STAR, 201),
        (100_001, STAR, 100_000),
        (99, BSE, 0),
        (101, BSE, 101),
        (1, US, 1),
        (250, LotRule(200, 100, 1_000), 200),
        (350, LotRule(200, 100, 1_000), 300),
    ],
)
def test_buy(wanted: int, rule: LotRule, expected: int) -> None:
    assert legal_buy_quantity(wanted, rule) == expected


@pytest.mark.parametrize(
    ("wanted", "sellable", "rule", "expected"),
    [
        # Whole lots, the odd part whole, or both; never part of it.
        (250, 250, MAIN, 250),
        (249, 250, MAIN, 200),
        (150, 250, MAIN, 150),
        (149, 250, MAIN, 100),
        (99, 250, MAIN, 50),
        (49, 250, MAIN, 0),
        (50, 50, MAIN, 50),
        (49, 50, MAIN, 0),
        (500, 300, MAIN, 300),
        (100, 0, MAIN, 0),
        (2_000_050, 2_000_050, MAIN, 1_000_000),
        # Only a holding below the minimum is odd.
        (150, 150, STAR, 150),
        (149, 150, STAR, 0),
        (199, 450, STAR, 0),
        (200, 450, STAR, 200),
        (333, 450, STAR, 333),
        (99, 99, BSE, 99),
        (98, 99, BSE, 0),
        (101, 150, BSE, 101),
        (7, 10, US, 7),
    ],
)
def test_sell(wanted: int, sellable: int, rule: LotRule, expected: int) -> None:
    assert legal_sell_quantity(wanted, sellable, rule) == expected


def test_negative_quantities_are_refused() -> None:
    with pytest.raises(InvariantBroken, match="-1"):
        legal_buy_quantity(-1, MAIN)
    with pytest.raises(InvariantBroken, match="-1"):
        legal_sell_quantity(100, -1, MAIN)
