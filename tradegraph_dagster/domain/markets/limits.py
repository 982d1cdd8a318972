"""Daily price limits in whole cents: no float and no division ever decides a half-cent."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import polars as pl

from tradegraph_dagster.domain.core.errors import DataError
from tradegraph_dagster.domain.core.money import round_half_up
from tradegraph_dagster.domain.markets.schema import PriceBand

_CENTS = Decimal(100)

Cents = TypeVar("Cents", int, pl.Expr)


def limit_band(reference: Decimal, rise_percent: int, fall_percent: int) -> PriceBand:
    """The band around a reference price, each limit rounded half-up to a cent.

    A limit that rounds to the reference moves one cent away from it; none is below one cent.

    Args:
        reference: Previous close, or the ex-right reference price on an ex-day; rounded half-up
            to a cent first, as exchanges publish it.
        rise_percent: Distance of the upper limit, in whole percent.
        fall_percent: Distance of the lower limit, in whole percent.

    Raises:
        DataError: The reference is not a positive number.

    Source: SZSE trading rules 3.3.14 and the SSE equivalent.
    """
    if not (reference.is_finite() and reference > 0):
        raise DataError(f"expected a positive reference price, found {reference}")
    cents = int(round_half_up(reference) * _CENTS)
    upper = max(_percent_of(cents, 100 + rise_percent), cents + 1)
    lower = max(min(_percent_of(cents, 100 - fall_percent), cents - 1), 1)
    return PriceBand(lower=_price(lower), upper=_price(upper))


def limit_cents(reference: pl.Expr, percent: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Lower and upper limit of whole columns, by the rule of `limit_band`.

    Args:
        reference: Reference price in whole cents, rounded half-up.
        percent: Distance of both limits, in whole percent; null gives null limits.
    """
    upper = pl.max_horizontal(_percent_of(reference, 100 + percent), reference + 1)
    lower = pl.max_horizontal(
        pl.min_horizontal(_percent_of(reference, 100 - percent), reference - 1), 1
    )
    has_limit = percent.is_not_null()
    return pl.when(has_limit).then(lower), pl.when(has_limit).then(upper)


def _percent_of(cents: Cents, percent: Cents) -> Cents:
    # Twice the value plus one, floored at half: half-up in integers.
    return (2 * cents * percent + 100) // 200


def _price(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
