"""The whole book stays within its size, and no sector is most of it."""

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


def judge_exposure(order: ProposedOrder, view: GateView, limits: Mapping[str, Any]) -> GateResult:
    """Deny what makes the book too large with all buys filled and no sale."""
    bound, equity = view.bound, view.account.equity
    value = order.quantity_shares * view.order_price(order)
    bought, shorted = _split(order, view, value)
    sums = {
        "max_long": bound.long_value + bought,
        "max_short": bound.short_value + shorted,
        "max_gross": bound.long_value + bound.short_value + bought + shorted,
        "max_sector_frac": _largest_sector(order, view, bought),
    }
    inputs = {
        **{
            name.removeprefix("max_").removesuffix("_frac"): amount for name, amount in sums.items()
        },
        "equity": equity,
        **limits,
    }
    if bound.unpriced:
        return GATE.cannot_tell(f"the price of {', '.join(bound.unpriced[:3])}, held", inputs)
    if not (is_known(equity) and is_known(sums["max_gross"])):
        return GATE.cannot_tell("equity or the value of the book", inputs)
    if not equity > 0:
        return GATE.fails(f"equity is {equity}: there is nothing to take risk with", inputs)
    allowed = {**limits, "max_sector_frac": limits["max_sector_frac"] * equity}
    above = [name for name, amount in sums.items() if not amount <= allowed[name]]
    reason = "; ".join(f"{name}: {sums[name]}, allowed {allowed[name]}" for name in above)
    return GATE.decides(not above, reason, inputs)


def _split(order: ProposedOrder, view: GateView, value: Decimal) -> tuple[Decimal, Decimal]:
    """What the order adds to the long and to the short side."""
    if order.side is Side.BUY:
        return value, ZERO
    free = max(view.held(order.symbol) - view.bound.frozen(order.symbol), 0)
    return ZERO, max(order.quantity_shares - free, 0) * view.order_price(order)


def _largest_sector(order: ProposedOrder, view: GateView, bought: Decimal) -> Decimal:
    """The order's sector after it; a name that is in none counts in every sector."""
    sectors = view.bound.sectors
    known = view.instruments.get(order.symbol)
    sector = None if known is None else known.sector
    unclassified = sectors.get(None, ZERO)
    if sector is not None:
        return sectors.get(sector, ZERO) + unclassified + bought
    classified = [amount for name, amount in sectors.items() if name is not None]
    return max(classified, default=ZERO) + unclassified + bought


GATE = Gate(
    number=14,
    name="exposure_limits",
    doc=(
        "With all buys filled and no sale, the book is worth at most `max_gross`, its long side "
        "`max_long` and its short side `max_short` (quote currency), and a sector at most "
        "`max_sector_frac` of equity; a name without a sector counts in every one."
    ),
    defaults={
        "max_gross": 100_000,
        "max_long": 80_000,
        "max_short": 20_000,
        "max_sector_frac": 0.30,
    },
    judge=judge_exposure,
    hard_caps={
        "max_gross": (0, 100_000_000),
        "max_long": (0, 100_000_000),
        "max_short": (0, 100_000_000),
        "max_sector_frac": (0.0, 2.0),
    },
)
