"""An order of a size nobody meant is denied, sales too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradegraph_dagster.domain.risk.gate_view import GateView
from tradegraph_dagster.domain.risk.lines import is_known
from tradegraph_dagster.domain.risk.order_gate import Gate, GateResult
from tradegraph_dagster.domain.risk.schema import ProposedOrder


def judge_amount(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny too many shares, too much money, or too much of what is usually traded."""
    known = view.instruments.get(order.symbol)
    volume = None if known is None else known.adv_shares
    shares = order.quantity_shares
    notional = shares * view.order_price(order)
    inputs = {
        "quantity_shares": shares,
        "notional": notional,
        "adv_shares": volume,
        **limits,
    }
    if not is_known(volume):
        return GATE.cannot_tell(f"the usual volume of {order.symbol}", inputs)
    if not is_known(notional):
        return GATE.cannot_tell("what the order is worth", inputs)
    if not shares <= limits["max_shares"]:
        return GATE.fails(f"{shares} shares, an order has at most {limits['max_shares']}", inputs)
    if not notional <= limits["max_notional"]:
        return GATE.fails(
            f"worth {notional}, an order is worth at most {limits['max_notional']}", inputs
        )
    return GATE.decides(
        shares <= limits["max_adv_frac"] * volume,
        f"{shares} shares are more than {limits['max_adv_frac']:%} of the mean daily volume "
        f"{volume}",
        inputs,
    )


GATE = Gate(
    number=9,
    name="fat_finger",
    doc=(
        "An order has at most `max_shares`, is worth at most `max_notional` (quote currency), and "
        "is at most `max_adv_frac` of the mean daily volume."
    ),
    defaults={"max_shares": 1_000, "max_notional": 100_000, "max_adv_frac": 0.01},
    judge=judge_amount,
    hard_caps={
        "max_shares": (1, 1_000_000),
        "max_notional": (1, 10_000_000),
        "max_adv_frac": (0.0, 0.25),
    },
    holds_reductions=True,
)
