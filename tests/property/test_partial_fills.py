"""An order costs the same however it is filled."""

from __future__ import annotations

from dataclasses import astuple
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.domain.markets.catalogue import load_market, market_names
from tradegraph_dagster.domain.markets.partial_fills import Traded, fees_of_fill
from tradegraph_dagster.domain.markets.schema import Side

SESSION = date(2024, 3, 5)
CN = load_market("cn")


@pytest.mark.parametrize("name", market_names())
@given(
    side=st.sampled_from(Side),
    parts=st.lists(
        st.tuples(st.integers(1, 50_000_000), st.integers(1, 10_000)), min_size=1, max_size=6
    ),
)
def test_fees_of_the_fills_are_the_fees_of_the_order(
    name: str, side: Side, parts: list[tuple[int, int]]
) -> None:
    market = load_market(name)
    before, charged = Traded(), [Decimal(0)] * 4
    for cents, shares in parts:
        fill = Traded(Decimal(cents) / 100, shares)
        fees = astuple(fees_of_fill(market, side, SESSION, before=before, fill=fill))
        assert min(fees) >= 0
        charged = [sum(pair) for pair in zip(charged, fees, strict=True)]
        before = Traded(before.notional + fill.notional, before.shares + fill.shares)
    whole = market.fees(side, before.notional, SESSION, shares=before.shares)
    assert tuple(charged) == astuple(whole)


@pytest.mark.parametrize(
    ("before", "fill", "commission"),
    [
        # 0.03 %, at least 5: reached at 16,666.67.
        ("0", "10000", "5.00"),
        ("10000", "5000", "0.00"),
        ("15000", "5000", "1.00"),
        ("20000", "10000", "3.00"),
        ("0", "100000", "30.00"),
    ],
)
def test_later_fills_pay_what_exceeds_the_least_commission(
    before: str, fill: str, commission: str
) -> None:
    fees = fees_of_fill(
        CN,
        Side.BUY,
        SESSION,
        before=Traded(Decimal(before), 1000),
        fill=Traded(Decimal(fill), 1000),
    )
    assert fees.commission == Decimal(commission)
