"""No order is priced far from the market, or where the exchange refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known, within
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_price(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny a limit outside the price band, the cage, or without a band the collar.

    A market order has no price to judge, but needs a reference price.
    """
    known, price, reference = (
        view.instruments.get(order.symbol),
        order.limit_price,
        order.reference_price,
    )
    band = None if known is None else known.band
    cage = None if known is None or known.cage is None else known.cage.get(order.side)
    most: Decimal = limits["max_deviation_frac"]
    inputs = {
        "side": order.side,
        "limit_price": "market order" if price is None else price,
        "reference_price": reference,
        "band": "none" if band is None else f"{band.lower} to {band.upper}",
        "cage": "none" if cage is None else cage,
        "max_deviation_frac": most,
    }
    if known is None or known.has_band is None or (known.has_band and band is None):
        return GATE.cannot_tell(f"the price limits of {order.symbol}", inputs)
    if not (is_known(reference) and reference > 0):
        return GATE.cannot_tell(f"a reference price of {order.symbol}", inputs)
    if price is None:
        return GATE.passes(inputs)
    if not is_known(price):
        return GATE.fails(f"a limit is a price, found {price}", inputs)
    if band is not None and not (within(band.lower, price) and within(price, band.upper)):
        return GATE.fails(
            f"limit {price} is outside the price limits {band.lower} to {band.upper}", inputs
        )
    if cage is not None and not _is_caged(order.side, price, cage):
        return GATE.fails(f"limit {price} is beyond the price cage at {cage}", inputs)
    return GATE.decides(
        band is not None or within(abs(price / reference - 1), most),
        f"limit {price} is more than {most:%} from the reference {reference}",
        inputs,
    )


def _is_caged(side: Side, price: Decimal, cage: Decimal) -> bool:
    return within(price, cage) if side is Side.BUY else within(cage, price)


GATE = Gate(
    number=7,
    name="price_collar",
    doc=(
        "A limit lies within the session's price limits and the price cage; where there are no "
        "price limits, within `max_deviation_frac` of the reference."
    ),
    defaults={"max_deviation_frac": 0.05},
    judge=judge_price,
    hard_caps={"max_deviation_frac": (0.0, 0.20)},
    holds_reductions=True,
)
