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
    """Rows whose high is below another price, whose low is above one, or with one below zero."""
    highest = pl.max_horizontal("open", "low", "close")
    lowest = pl.min_horizontal("open", "high", "close")
    wrong = (
        (pl.col("high") < highest * (1 - NOISE_FRAC))
        | (pl.col("low") > lowest * (1 + NOISE_FRAC))
        | pl.any_horizontal(pl.col(PRICES) < 0)
    )
    rows = history.rows.with_columns(session=pl.col("at").dt.date())
    return to_history_findings(
        rows.filter(wrong),
        NAME,
        expected="0 < low <= open, close <= high",
        found=pl.format("open {}, high {}, low {}, close {}", *(rounded(name) for name in PRICES)),
    )


AUDIT = Audit(name=NAME, find=find_disordered_prices)
