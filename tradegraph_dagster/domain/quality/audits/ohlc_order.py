"""Prices that are not positive, or a high or low that is none."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    PRICES,
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "ohlc_order"
# The noise of a price kept in 32 bits, after arithmetic.
NOISE_FRAC = 1e-5


def find_disordered_prices(history: VendorHistory) -> pl.DataFrame:
    """Rows whose high is below another price, whose low is above one, or with one below zero.

    An open alone outside a range that holds the close only warns: some venues print an opening
    price of a thin name that the day's range does not count.
    """
    is_negative = pl.any_horizontal(pl.col(PRICES) < 0)
    wrong = _is_outside("low", "close") | _is_outside("high", "close") | is_negative
    outside = wrong | _is_outside("open")
    rows = history.rows.with_columns(session=pl.col("at").dt.date())
    return to_history_findings(
        rows.filter(outside),
        NAME,
        expected="0 < low <= open, close <= high",
        found=pl.format("open {}, high {}, low {}, close {}", *(rounded(name) for name in PRICES)),
        is_odd_only=~wrong,
    )


def _is_outside(*names: str) -> pl.Expr:
    above = pl.col("high") < pl.max_horizontal(names) * (1 - NOISE_FRAC)
    below = pl.col("low") > pl.min_horizontal(names) * (1 + NOISE_FRAC)
    return (above | below).fill_null(False)


AUDIT = Audit(name=NAME, find=find_disordered_prices)
