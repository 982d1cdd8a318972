"""Limit prices against published vectors."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradegraph_dagster.domain.core.errors import DataError
from tradegraph_dagster.domain.markets.limits import limit_band
from tradegraph_dagster.domain.markets.schema import PriceBand


def _band(lower: str, upper: str) -> PriceBand:
    return PriceBand(lower=Decimal(lower), upper=Decimal(upper))


@pytest.mark.parametrize(
    ("reference", "percent", "upper", "lower"),
    [
        ("10.05", 10, "11.06", "9.05"),
        ("10.15", 10, "11.17", "9.14"),
        ("9.45", 10, "10.40", "8.51"),
        ("9.95", 10, "10.95", "8.96"),
        ("3.33", 10, "3.66", "3.00"),
        ("123.45", 20, "148.14", "98.76"),
        ("10.05", 5, "10.55", "9.55"),
        ("0.05", 10, "0.06", "0.04"),
        ("0.01", 10, "0.02", "0.01"),
        ("15.55", 30, "20.22", "10.89"),
        ("12.34", 30, "16.04", "8.64"),
        ("1688.88", 10, "1857.77", "1519.99"),
    ],
)
def test_limits_are_rounded_half_up(reference: str, percent: int, upper: str, lower: str) -> None:
    assert limit_band(Decimal(reference), percent, percent) == _band(lower, upper)


@pytest.mark.parametrize(
    ("issue_price", "upper", "lower"),
    [
        ("10.00", "14.40", "6.40"),
        ("8.33", "12.00", "5.33"),
        ("12.34", "17.77", "7.90"),
        ("7.77", "11.19", "4.97"),
    ],
)
def test_old_first_day_band_of_the_issue_price(issue_price: str, upper: str, lower: str) -> None:
    assert limit_band(Decimal(issue_price), 44, 36) == _band(lower, upper)


def test_reference_finer_than_a_cent_is_rounded_first() -> None:
    assert limit_band(Decimal("6.964285"), 10, 10) == limit_band(Decimal("6.96"), 10, 10)


@pytest.mark.parametrize("reference", ["0", "-1", "NaN", "Infinity"])
def test_reference_must_be_positive(reference: str) -> None:
    with pytest.raises(DataError, match="positive reference"):
        limit_band(Decimal(reference), 10, 10)
