"""A recorded split that the prices do not follow, or only some of them."""

from __future__ import annotations

import math

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "bad_split"
# A vendor that gets a split wrong does so in the days around it.
NEAR_ROWS = 10
# A move is the split's where it is nearer to it than this part of its log is away.
MATCH_FRAC = 1 / 3
# Neither a bonus share nor five usual moves in one direction are mistaken for a split.
NOISES = 5.0
SMALLEST_RAW_SPLIT = 1.5


def find_bad_splits(history: VendorHistory) -> pl.DataFrame:
    """Splits whose factor is in the prices where it should not be, or is not where it should.

    Prices adjusted for splits never move by the factor near a split; they are looked at with the
    vendor's own adjustment for dividends, as a large one may come with the split. Unadjusted prices
    move by it on the day, and the vendor's adjusted close does not.
    """
    if history.prices == "split_adjusted":
        return _shifts(history.closes)
    return _unmoved(history.closes)


def _shifts(closes: pl.DataFrame) -> pl.DataFrame:
    splits = closes.filter(pl.col("split_ratio") != 1).select(
        "symbol", "split_ratio", split_on="session", split_position="position"
    )
    size = pl.col("split_ratio").log().abs()
    shifts = (
        closes.drop("split_ratio")
        .join(splits, on="symbol", maintain_order="left")
        .filter(
            (pl.col("position") - pl.col("split_position")).abs() <= NEAR_ROWS,
            (pl.col("total_move").abs() - size).abs() < MATCH_FRAC * size,
            pl.col("total_move").abs() > NOISES * pl.col("noise"),
        )
    )
    return to_history_findings(
        shifts,
        NAME,
        expected=pl.format("no move by the split {} of {}", "split_ratio", "split_on"),
        found=pl.format("close {} after {}", rounded("close"), rounded("previous_close")),
    )


def _unmoved(closes: pl.DataFrame) -> pl.DataFrame:
    log_split = pl.col("split_ratio").log()
    large = pl.max_horizontal(pl.lit(math.log(SMALLEST_RAW_SPLIT)) - 1e-9, NOISES * pl.col("noise"))
    splits = closes.filter(log_split.abs() >= large, pl.col("previous_close").is_not_null())
    unmoved = (pl.col("surprise") - log_split).abs() < log_split.abs() / 2
    unadjusted = (pl.col("total_move") + log_split).abs() < log_split.abs() / 2
    has_adjusted = pl.col("step").is_not_null()
    return to_history_findings(
        splits.filter(unmoved | (has_adjusted & unadjusted)),
        NAME,
        expected=pl.format("the split {} in the close, not in the adjusted close", "split_ratio"),
        found=pl.format("close {} after {}", rounded("close"), rounded("previous_close"))
        + pl.when(has_adjusted)
        .then(pl.format(", the adjusted close moved by {} of it", rounded("step")))
        .otherwise(pl.lit("")),
    )


AUDIT = Audit(name=NAME, find=find_bad_splits)
