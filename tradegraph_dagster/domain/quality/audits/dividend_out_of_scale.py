"""A dividend, or the vendor's adjustment for it, in another unit than the price."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.dividends import recorded_dividends
from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "dividend_out_of_scale"
# A hundred times, give or take the factor of two that dividends of one name differ by.
HUNDREDFOLD = (50.0, 200.0)
HUNDREDTH = (1 / 200.0, 1 / 50.0)
UNIT = 100.0
# A name's own usual dividend needs this many others.
MIN_OTHERS = 3
# A fall of the price that says something is this many usual moves.
NOISES = 2.0


def find_other_scales(history: VendorHistory) -> pl.DataFrame:
    """Dividends a hundred times too large or too small.

    By the vendor's own adjusted close, which takes in a hundred times or a hundredth of the amount
    on record; or by the other dividends of the name, where the price agrees: it falls by a hundred
    times the amount, or does not fall by half of it.
    """
    dividends = recorded_dividends(history)
    others = pl.len().over("symbol") - 1
    # Yields, as unadjusted amounts change with every split.
    usual = pl.col("yield_frac").median().over("symbol")
    judged = dividends.with_columns(
        others=others,
        of_usual=pl.col("yield_frac") / usual,
        in_other_unit=UNIT * pl.col("yield_frac"),
    )
    adjusted_otherwise = pl.col("applied_frac").is_between(*HUNDREDFOLD) | pl.col(
        "applied_frac"
    ).is_between(*HUNDREDTH)
    noise = NOISES * pl.col("noise")
    falls_like_the_others = (
        pl.col("of_usual").is_between(*HUNDREDTH)
        & (pl.col("in_other_unit") > noise)
        & ((-pl.col("move") - pl.col("in_other_unit")).abs() < noise)
    )
    does_not_fall = (
        pl.col("of_usual").is_between(*HUNDREDFOLD)
        & (pl.col("yield_frac") > noise)
        & (-pl.col("move") < pl.col("yield_frac") / 2)
    )
    unlike_the_others = (pl.col("others") >= MIN_OTHERS) & (falls_like_the_others | does_not_fall)
    return to_history_findings(
        judged.filter(adjusted_otherwise | unlike_the_others),
        NAME,
        expected="a dividend in the unit of the price and of the adjusted close",
        found=pl.format(
            "dividend {}, {} of the usual yield, close {} after {}; the adjusted close takes in {}",
            rounded("cash"),
            rounded("of_usual"),
            rounded("close"),
            rounded("previous_close"),
            rounded("applied_frac"),
        ),
    )


AUDIT = Audit(name=NAME, find=find_other_scales)
