"""How rules change lines: only towards what is held, and never without a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeGuard

from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.risk.schema import Line

Lines = tuple[Line, ...]


def is_known(value: object) -> TypeGuard[Decimal]:
    """Whether it is a Decimal and a finite number."""
    return isinstance(value, Decimal) and value.is_finite()


def within(value: Decimal, limit: Decimal) -> bool:
    """Whether a value is known to be at most the limit; what is not a number is not."""
    return value.is_finite() and limit.is_finite() and value <= limit


def below(value: Decimal, limit: Decimal) -> bool:
    """Whether a value is known to be less than the limit; what is not a number is not."""
    return value.is_finite() and limit.is_finite() and value < limit


def trim(line: Line, approved_shares: int, reason: str) -> Line:
    """The line with another approved position, kept between the held and the approved one."""
    lower, upper = sorted((line.held_shares, line.approved_shares))
    approved = min(max(approved_shares, lower), upper)
    if approved == line.approved_shares:
        return line
    return replace(line, approved_shares=approved, reasons=(*line.reasons, reason))


def hold(line: Line, reason: str) -> Line:
    """The line without a trade."""
    return trim(line, line.held_shares, reason)


def reduce_only(line: Line, reason: str) -> Line:
    """The line without a buy; a sale stays."""
    return hold(line, reason) if line.traded_shares > 0 else line


def buy_notional(lines: Lines) -> Decimal:
    """Value of all buys at reference prices."""
    return sum((line.traded_shares * line.price for line in lines if line.traded_shares > 0), ZERO)


def sell_notional(lines: Lines) -> Decimal:
    """Value of all sales at reference prices, positive."""
    return sum((-line.traded_shares * line.price for line in lines if line.traded_shares < 0), ZERO)


def scale_buys(lines: Lines, allowed: Decimal, reason: str) -> Lines:
    """Cut every buy in the same proportion, down to whole shares, until they cost `allowed`."""
    return _scale(lines, buy_notional(lines), allowed, reason, lambda line: line.traded_shares > 0)


def scale_sells(lines: Lines, allowed: Decimal, reason: str) -> Lines:
    """Cut every sale in the same proportion, down to whole shares, until they come to `allowed`."""
    return _scale(lines, sell_notional(lines), allowed, reason, lambda line: line.traded_shares < 0)


def _scale(
    lines: Lines,
    total: Decimal,
    allowed: Decimal,
    reason: str,
    concerns: Callable[[Line], bool],
) -> Lines:
    if within(total, allowed):
        return lines
    # Exact fractions: a quotient rounded up by one digit would leave the total above the limit.
    known = total.is_finite() and allowed.is_finite() and allowed > 0
    share = Fraction(allowed) / Fraction(total) if known else Fraction(0)
    return tuple(
        trim(line, line.held_shares + int(line.traded_shares * share), reason)
        if concerns(line)
        else line
        for line in lines
    )
