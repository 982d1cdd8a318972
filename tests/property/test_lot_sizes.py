"""Legal quantities are legal, the largest there are, and never split an odd lot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.domain.markets.lots import legal_buy_quantity, legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import LotRule

# Small copies of the real rules, so that every quantity can be tried.
RULES = st.sampled_from(
    [LotRule(10, 10, 60), LotRule(20, 1, 60), LotRule(10, 1, 70), LotRule(1, 1, 50)]
)
SHARES = st.integers(0, 120)


def _may_buy(quantity: int, rule: LotRule) -> bool:
    return rule.min_buy <= quantity <= rule.max_order and (
        (quantity - rule.min_buy) % rule.step == 0
    )


def _may_sell(quantity: int, sellable: int, rule: LotRule) -> bool:
    if not 0 < quantity <= min(sellable, rule.max_order):
        return False
    if rule.step == 1:
        return quantity >= rule.min_buy or quantity == sellable
    return quantity % rule.step in (0, sellable % rule.step)


@given(wanted=SHARES, rule=RULES)
def test_buy_is_the_largest_legal_quantity(wanted: int, rule: LotRule) -> None:
    legal = [quantity for quantity in range(wanted + 1) if _may_buy(quantity, rule)]
    assert legal_buy_quantity(wanted, rule) == max(legal, default=0)


@given(wanted=SHARES, sellable=SHARES, rule=RULES)
def test_sell_is_the_largest_legal_quantity(wanted: int, sellable: int, rule: LotRule) -> None:
    legal = [quantity for quantity in range(wanted + 1) if _may_sell(quantity, sellable, rule)]
    assert legal_sell_quantity(wanted, sellable, rule) == max(legal, default=0)


@given(wanted=SHARES, sellable=SHARES, rule=RULES)
def test_legal_quantities_are_fixed_points(wanted: int, sellable: int, rule: LotRule) -> None:
    bought = legal_buy_quantity(wanted, rule)
    sold = legal_sell_quantity(wanted, sellable, rule)
    assert legal_buy_quantity(bought, rule) == bought
    assert legal_sell_quantity(sold, sellable, rule) == sold


@given(sellable=SHARES, rule=RULES)
def test_any_holding_can_be_sold_off(sellable: int, rule: LotRule) -> None:
    left = sellable
    for _ in range(5):
        left -= legal_sell_quantity(left, left, rule)
    assert left == 0
