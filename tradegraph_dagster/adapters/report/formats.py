"""Numbers as people read them: thousands apart, a true minus sign, a dash for what is unknown."""

from __future__ import annotations

import math
from datetime import date

UNKNOWN = "–"  # noqa: RUF001
MINUS = "\u2212"
THIN_SPACE = "\u202f"


def number(value: float | None, digits: int = 0, *, signed: bool = False) -> str:
    """1234.5 -> 1,234 (or with digits)."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = f"{0:.{digits}f}"
    return text.replace("-", MINUS)


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A fraction -> percent with its unit."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return number(100 * value, digits, signed=signed) + THIN_SPACE + "%"


def with_error(value: float | None, error: float | None, digits: int) -> str:
    """Value ± standard error."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if error is None or not math.isfinite(error):
        return number(value, digits, signed=True)
    return f"{number(value, digits, signed=True)} ± {number(error, digits)}"


def day(value: date | None) -> str:
    """ISO date."""
    return UNKNOWN if value is None else value.isoformat()


def month(value: date | None) -> str:
    """Year and month."""
    return UNKNOWN if value is None else f"{value:%Y-%m}"


def count(value: int, noun: str) -> str:
    """1 session, 2 sessions."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"
