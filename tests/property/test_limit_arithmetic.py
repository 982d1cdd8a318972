"""Integer limit prices equal Decimal half-up, for any reference and rate."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tradegraph_dagster.domain.markets.limits import limit_band

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


def test_limits_equal_decimal_half_up_for_every_cent_to_thirty() -> None:
    for cents in range(11, 3_000):
        reference = Decimal(cents) / 100
        band = limit_band(reference, 10, 10)
        assert band.upper == _half_up(reference * Decimal("1.1"))
        assert band.lower == _half_up(reference * Decimal("0.9"))


@given(cents=CENTS, percent=PERCENTS)
def test_band_holds_the_reference_in_whole_cents(cents: int, percent: int) -> None:
    reference = Decimal(cents) / 100
    band = limit_band(reference, percent, percent)
    assert CENT <= band.lower <= reference < band.upper
    assert band.lower < reference or reference == CENT
    assert all(limit.as_tuple().exponent == -2 for limit in (band.lower, band.upper))
