"""Money is Decimal, and this is the one place that rounds it."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal(0)
# Digits to compute with, far beyond those of any amount, so that only the last step rounds.
WORKING_DIGITS = 60


def to_decimal(value: float | int | str | Decimal) -> Decimal:
    """Convert through `repr`, so that 10.05 becomes Decimal("10.05") and not its binary shadow."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def round_half_up(value: Decimal, step: Decimal = CENT) -> Decimal:
    """Round to a multiple of `step`, halves away from zero, as exchanges and clearing houses do."""
    return (value / step).quantize(Decimal(1), rounding=ROUND_HALF_UP) * step


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`."""
    return (value / step).quantize(Decimal(1), rounding=ROUND_FLOOR) * step
