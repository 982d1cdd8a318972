"""The same faults in several sizes: how small one may be and still be caught.

Small ones cannot all be: a price that is two percent off lies within the day's own range. A curve
says honestly where a gate begins to see.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.support.fault_damages import cash_of_price, event, file, row, scaled, spliced
from tests.support.fault_kinds import LIMITS, VWAP_ROW
from tests.support.seeded_faults import PRICES, Kind

ADJUSTED = ("adjusted_among_raw:quarantine",)
NO_EFFECT = ("event_without_effect:quarantine", *LIMITS)
LEVEL = (*LIMITS, "spliced_block:quarantine")

# What it is, how a size becomes a kind, and the sizes, the smallest damage first.
CURVES: dict[str, tuple[Callable[[float], Kind], tuple[float, ...]]] = {
    "adjusted prices, times": (
        lambda size: Kind(row(**scaled(size, *PRICES)), ADJUSTED),
        (0.995, 0.99, 0.98, 0.95, 0.9),
    ),
    "volume, times": (
        lambda size: Kind(row(**scaled(size, "volume")), VWAP_ROW),
        (1.005, 1.01, 1.02, 1.1, 2.0),
    ),
    "prices and amount of a bar, times": (
        lambda size: Kind(row(**scaled(size, *PRICES, "amount")), LIMITS),
        (1.05, 1.1, 1.15, 1.2, 1.33),
    ),
    "another level for six sessions, times": (
        lambda size: Kind(spliced(size), LEVEL, 6, tuple(range(6))),
        (1.05, 1.1, 1.15, 1.2, 1.33),
    ),
    "bonus that moved no price, new shares": (
        lambda size: Kind(event(bonus_ratio=size), NO_EFFECT),
        (0.03, 0.05, 0.08, 0.1, 0.3),
    ),
    "dividend that moved no price, of the price": (
        lambda size: Kind(cash_of_price(size), NO_EFFECT),
        (0.02, 0.05, 0.08, 0.1, 0.2),
    ),
    "turnover of the file, times": (
        lambda size: Kind(
            file(**scaled(size, "volume", "amount")), ("turnover_level:block",), touches="all"
        ),
        (0.3, 0.15, 0.1, 0.05, 0.02),
    ),
}
