"""What a vendor's adjusted close and the price itself say about a dividend on record."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.history import VendorHistory


def recorded_dividends(history: VendorHistory) -> pl.DataFrame:
    """The closes with a dividend, and what came of it.

    Returns:
        Rows of `history.closes` with `cash` above zero and a close before, and

        - `yield_frac`: cash over the close before.
        - `applied_frac`: the cash that the vendor's adjusted close moved by, over the cash on
          record: 1 where the vendor did as it says. Null without an adjusted close, and where its
          rounding is too coarse to tell a hundredth of the dividend from nothing.

        The vendor's adjustment may come a row late, which is how weekly bars have it.
    """
    closes = history.closes
    shares = pl.col("split_ratio") if history.prices == "raw" else pl.lit(1.0)
    has_event = (pl.col("cash") > 0) | (pl.col("split_ratio") != 1)
    wobble = (pl.col("step") - 1).abs()
    quiet = ~has_event & ~has_event.shift(1, fill_value=False).over("symbol")
    late = pl.when(~has_event.shift(-1, fill_value=True).over("symbol")).then(
        pl.col("step").shift(-1).over("symbol")
    )
    adjustment = pl.col("step") / shares * late.fill_null(1.0)
    before = pl.col("previous_close")
    rounding = wobble.filter(quiet).quantile(ROUNDING_QUANTILE).over("symbol").fill_null(0.0)
    judged = closes.with_columns(rounding=rounding, adjustment=adjustment).filter(
        pl.col("cash") > 0, before.is_not_null()
    )
    yield_frac = pl.col("cash") / before
    return judged.with_columns(
        yield_frac=yield_frac,
        applied_frac=pl.when(pl.col("rounding") < RESOLUTION_FRAC * yield_frac).then(
            before * (1 - 1 / pl.col("adjustment")) / pl.col("cash")
        ),
    )


# The adjusted close is rounded alike on almost every row; what is left are faults.
ROUNDING_QUANTILE = 0.95
# A quarter of the hundredth that has to be told from nothing.
RESOLUTION_FRAC = 0.0025
