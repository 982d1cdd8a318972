"""Order sizes that a lot rule allows. Quantities are whole shares, never negative."""

from __future__ import annotations

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.markets.schema import LotRule


def legal_buy_quantity(wanted: int, rule: LotRule) -> int:
    """The largest legal buy of at most `wanted` shares; 0 where none is legal."""
    _require_not_negative(wanted)
    capped = min(wanted, rule.max_order)
    if capped < rule.min_buy:
        return 0
    return capped - (capped - rule.min_buy) % rule.step


def legal_sell_quantity(wanted: int, sellable: int, rule: LotRule) -> int:
    """The largest legal sell of at most `wanted` of the `sellable` shares; 0 where none is legal.

    An odd lot is sold whole, in one order, or not at all. Where lots are whole multiples
    (`step` > 1) the odd part of a holding may go alone or with whole lots. Where any size above a
    minimum is legal (`step` 1) only a holding below the minimum is odd, and it goes at once.
    """
    _require_not_negative(wanted)
    _require_not_negative(sellable)
    capped = min(wanted, sellable, rule.max_order)
    if rule.step == 1:
        return capped if capped >= min(rule.min_buy, sellable) else 0
    odd = sellable % rule.step
    whole_lots = capped - capped % rule.step
    with_odd = capped - (capped - odd) % rule.step if capped >= odd else 0
    return max(whole_lots, with_odd)


def _require_not_negative(shares: int) -> None:
    if shares < 0:
        raise InvariantBroken(f"a quantity is never negative, found {shares} shares")
