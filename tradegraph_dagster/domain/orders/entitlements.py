"""What a corporate action does to a holding and to its reference price on the ex-date.

Subscription rights are not taken up: they lower the price and give nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.money import round_half_up, to_decimal


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """One row of CORPORATE_ACTIONS in Decimal."""

    cash_per_share: Decimal
    bonus_ratio: Decimal
    rights_ratio: Decimal
    rights_price: Decimal
    split_ratio: Decimal


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a holding gains: shares may be negative (a reverse split), cash is rounded half-up."""

    bonus_shares: int
    split_shares: int
    cash: Decimal

    @property
    def shares(self) -> int:
        """All shares that come or go."""
        return self.bonus_shares + self.split_shares


def frame_to_actions(frame: pl.DataFrame) -> dict[str, CorporateAction]:
    """Symbol -> action, from the CORPORATE_ACTIONS rows in force on one session."""
    return {row["symbol"]: _to_action(row) for row in frame.iter_rows(named=True)}


def holding_to_entitlement(shares: int, action: CorporateAction) -> Entitlement:
    """What `shares` held before the ex-date are entitled to.

    Dividends are paid on the shares of before; bonus shares come before a split of the same day.
    Fractions of a share are dropped, each time: clearing pays them out by lot.
    """
    with_bonus = _floor(shares * (1 + action.bonus_ratio))
    after = _floor(shares * (1 + action.bonus_ratio) * action.split_ratio)
    return Entitlement(
        bonus_shares=with_bonus - shares,
        split_shares=after - with_bonus,
        cash=round_half_up(shares * action.cash_per_share),
    )


def ex_right_price(close: Decimal, action: CorporateAction, tick: Decimal) -> Decimal:
    """Reference price of the ex-date, rounded half-up to a tick as exchanges publish it.

    Source: SSE trading rules 4.3.2 and SZSE 4.4.2; a split divides the result.
    """
    paid = action.rights_price * action.rights_ratio
    before_split = (close - action.cash_per_share + paid) / (
        1 + action.bonus_ratio + action.rights_ratio
    )
    return round_half_up(before_split / action.split_ratio, tick)


def _to_action(row: dict[str, Any]) -> CorporateAction:
    return CorporateAction(
        **{name: to_decimal(row[name]) for name in CorporateAction.__dataclass_fields__}
    )


def _floor(shares: Decimal) -> int:
    return int(shares.to_integral_value(rounding=ROUND_FLOOR))
