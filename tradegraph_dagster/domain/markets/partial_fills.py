"""What one fill of an order costs: least charges are per order, however it is filled."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Fees, Market, Side


@dataclass(frozen=True, slots=True)
class Traded:
    """An amount in the market's currency and the shares it paid for."""

    notional: Decimal = ZERO
    shares: int = 0


def fees_of_fill(
    market: Market, side: Side, session: date, *, before: Traded, fill: Traded
) -> Fees:
    """What a fill adds to the fees of its order.

    The first fill pays the least commission, later ones only what the order's own commission
    exceeds it by. The fees of all fills are to the cent those of the order filled at once.

    Args:
        market: Whose fees.
        side: Of the order.
        session: Of the order; an order lives for one session.
        before: What the order's earlier fills came to together.
        fill: This fill.
    """
    notional, shares = before.notional + fill.notional, before.shares + fill.shares
    after = market.fees(side, notional, session, shares=shares)
    paid = market.fees(side, before.notional, session, shares=before.shares)
    return Fees(
        **{one.name: getattr(after, one.name) - getattr(paid, one.name) for one in fields(Fees)}
    )
