"""Quantity and price are ones that the exchange accepts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.markets.lots import legal_buy_quantity, legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import LotRule, Side
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_size(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny what is no whole positive number, no legal lot, off the tick, or above the buy cap."""
    known, shares, price = (
        view.instruments.get(order.symbol),
        order.quantity_shares,
        order.limit_price,
    )
    rule = None if known is None else known.lot_rule
    tick = None if known is None else known.tick
    cap = None if known is None else known.buy_cap_shares
    free = view.account.sellable.get(order.symbol, 0) - view.bound.frozen(order.symbol)
    bought = view.bound.open_buys(order.symbol)
    inputs = {
        "side": order.side,
        "quantity_shares": shares,
        "limit_price": "market order" if price is None else price,
        "lot_rule": None if rule is None else f"{rule.min_buy} by {rule.step} to {rule.max_order}",
        "tick": tick,
        "sellable_free": free,
        "open_buys": bought,
        "buy_cap_shares": "none" if cap is None else cap,
    }
    if rule is None:
        return GATE.cannot_tell(f"the legal order sizes of {order.symbol}", inputs)
    if not (type(shares) is int and shares > 0):
        return GATE.fails(f"a quantity is a whole positive number, found {shares}", inputs)
    if not _is_legal(order.side, shares, free, rule):
        return GATE.fails(
            f"{shares} is no legal size: at least {rule.min_buy}, in steps of {rule.step}, at "
            f"most {rule.max_order}; an odd lot is sold whole or not at all",
            inputs,
        )
    if order.side is Side.BUY and cap is not None and not bought + shares <= cap:
        return GATE.fails(
            f"{bought + shares} shares would be bought, an account may buy {cap} in a session",
            inputs,
        )
    return _judge_tick(price, tick, inputs)


def _is_legal(side: Side, shares: int, free: int, rule: LotRule) -> bool:
    if side is Side.BUY:
        return legal_buy_quantity(shares, rule) == shares
    # More than is free to sell is for the gate of sellable shares; here it counts as all of it.
    return legal_sell_quantity(shares, max(free, shares), rule) == shares


def _judge_tick(
    price: Decimal | None, tick: Decimal | None, inputs: Mapping[str, object]
) -> GateResult:
    if price is None:
        return GATE.passes(inputs)
    if not (is_known(tick) and tick > 0):
        return GATE.cannot_tell("the smallest step of a price", inputs)
    is_on_tick = is_known(price) and price > 0 and price % tick == 0
    return GATE.decides(is_on_tick, f"limit {price} is no multiple of the tick {tick}", inputs)


GATE = Gate(
    number=8,
    name="order_size",
    doc=(
        "The quantity is a legal lot and within the account's buy cap; a limit is a multiple of "
        "the tick."
    ),
    defaults={},
    judge=judge_size,
    holds_reductions=True,
)
