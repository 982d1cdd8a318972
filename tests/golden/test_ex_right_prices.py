"""Published ex-right reference prices: SSE 4.3.2 and SZSE 4.4.2, rounded half-up to a cent.

Terms are per ten shares, as companies announce them.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradegraph_dagster.domain.core.money import round_half_up, to_decimal
from tradegraph_dagster.domain.corporate_actions.factors import reference_price


@pytest.mark.parametrize(
    ("previous", "cash", "bonus", "rights", "price", "published"),
    [
        (10.00, 1.0, 0.0, 0.0, 0.0, "9.90"),
        (10.00, 2.5, 4.0, 0.0, 0.0, "6.96"),
        (20.00, 3.0, 10.0, 0.0, 0.0, "9.85"),
        (10.00, 0.0, 0.0, 3.0, 6.0, "9.08"),
        (16.35, 2.36, 4.5, 0.0, 0.0, "11.11"),
    ],
)
def test_reference_price_as_published(
    previous: float, cash: float, bonus: float, rights: float, price: float, published: str
) -> None:
    reference = reference_price(
        previous,
        cash_per_share=cash / 10,
        bonus_ratio=bonus / 10,
        rights_ratio=rights / 10,
        rights_price=price,
        split_ratio=1.0,
    )
    assert round_half_up(to_decimal(reference)) == Decimal(published)
