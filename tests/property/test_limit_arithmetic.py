"""Integer limit prices equal Decimal half-up, for any reference and rate."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradegraph_dagster.domain.markets.limits import limit_band, limit_cents

CENT = Decimal("0.01")
CENTS = st.integers(1, 100_000_000)
PERCENTS = st.integers(1, 99)


def _half_up(value: Decimal) -> Decimal:
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


@settings(max_examples=500)
@given(cents=CENTS, rise=PERCENTS, fall=PERCENTS)
def test_limits_equal_decimal_half_up(cents: int, rise: int, fall: int) -> None:
    reference = Decimal(cents) / 100
    upper = _half_up(reference * (100 + rise) / 100)
    lower = _half_up(reference * (100 - fall) / 100)
    band = limit_band(reference, rise, fall)
    assert band.upper == (upper if upper > reference else reference + CENT)
    assert band.lower == max(lower if lower < reference else reference - CENT, CENT)


@pytest.mark.parametrize("percent", [5, 10, 20, 30])
def test_limits_equal_decimal_half_up_for_every_reference_to_three_thousand(percent: int) -> None:
    cents = range(1, 300_001)
    rise, fall = Decimal(100 + percent) / 100, Decimal(100 - percent) / 100
    one = Decimal(1)
    upper = [int((each * rise).quantize(one, ROUND_HALF_UP)) for each in cents]
    lower = [int((each * fall).quantize(one, ROUND_HALF_UP)) for each in cents]
    rows = pl.DataFrame({"cents": cents}).with_columns(percent=pl.lit(percent))
    low, up = limit_cents(pl.col("cents"), pl.col("percent"))
    found = rows.with_columns(
        low=low,
        up=up,
        # A limit that rounds to the reference moves a cent away; none is below a cent.
        upper=pl.max_horizontal(pl.Series(upper), pl.col("cents") + 1),
        lower=pl.max_horizontal(pl.min_horizontal(pl.Series(lower), pl.col("cents") - 1), 1),
    )
    wrong = found.filter((pl.col("low") != pl.col("lower")) | (pl.col("up") != pl.col("upper")))
    assert wrong.is_empty(), wrong.head()


@given(cents=CENTS, percent=PERCENTS)
def test_band_holds_the_reference_in_whole_cents(cents: int, percent: int) -> None:
    reference = Decimal(cents) / 100
    band = limit_band(reference, percent, percent)
    assert CENT <= band.lower <= reference < band.upper
    assert band.lower < reference or reference == CENT
    assert all(limit.as_tuple().exponent == -2 for limit in (band.lower, band.upper))


@given(
    cents=st.lists(st.integers(1, 10**9), min_size=1, max_size=20),
    percent=st.sampled_from([5, 10, 20, 30]),
)
def test_limits_of_whole_columns_are_the_limits_of_each_row(cents: list[int], percent: int) -> None:
    rows = pl.DataFrame({"cents": [*cents, 1], "percent": [*[percent] * len(cents), None]})
    lower, upper = limit_cents(pl.col("cents"), pl.col("percent"))
    *found, none = rows.select(lower.alias("lower"), upper.alias("upper")).rows()
    bands = [limit_band(Decimal(one) / 100, percent, percent) for one in cents]
    assert found == [(int(band.lower * 100), int(band.upper * 100)) for band in bands]
    assert none == (None, None)
