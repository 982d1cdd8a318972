"""Every buy is paid for by cash that nothing else has bound."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_cash(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny a buy that, with fees and all reservations, costs more than there is.

    A market order is taken to fill at the upper price limit, unless `reserve_at_band` is off.
    """
    account, bound = view.account, view.bound
    at_band: bool = limits["reserve_at_band"]
    needed = view.cash_needed(order)
    reserved = bound.reserved_cash
    if not at_band:
        needed = _cost_at_order_price(order, view)
        reserved += bound.approved_buys - bound.approved_reserved
    proceeds = bound.approved_sales if limits["count_sale_proceeds"] else ZERO
    inputs = {
        "needed": needed,
        "reserved": reserved,
        "cash": account.cash,
        "sale_proceeds": proceeds,
        "fee_frac": account.fee_frac,
        **limits,
    }
    if order.side is Side.SELL:
        return GATE.passes(inputs)
    cash, costs = account.cash, needed + reserved + proceeds
    if not (is_known(cash) and is_known(account.fee_frac) and is_known(costs)):
        return GATE.cannot_tell("cash, fees or what the order costs", inputs)
    available = cash + proceeds - reserved
    return GATE.decides(
        needed <= available, f"{needed} is needed with fees, {available} is available", inputs
    )


def _cost_at_order_price(order: ProposedOrder, view: GateView) -> Decimal:
    if order.side is Side.SELL:
        return ZERO
    return order.quantity_shares * view.order_price(order) * (1 + (view.account.fee_frac or 0))


GATE = Gate(
    number=15,
    name="buying_power",
    doc=(
        "A buy with its fees and all reservations fits into cash. Where `reserve_at_band`, market "
        "orders count at the upper price limit; where `count_sale_proceeds`, the decision's "
        "approved sales count after fees."
    ),
    defaults={"reserve_at_band": True, "count_sale_proceeds": False},
    judge=judge_cash,
    holds_reductions=True,
)
