"""Prices in another unit: cents among dollars, pence among pounds, shares among lots."""

from __future__ import annotations

import math

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    near,
    rounded,
    to_history_findings,
)

NAME = "unit_x100"
UNIT = 100.0
# How far a name may have moved within the same step. Half as far again leaves no doubt that it is
# a factor of 100: two in a row would be the move of a lifetime.
TOLERANCE = 1.5


def find_other_units(history: VendorHistory) -> pl.DataFrame:
    """Blocks of rows, and single prices within a row, that are a hundred times the others.

    Which side of a block has the right unit cannot be told from the prices; the block with fewer
    rows is named. Recorded splits are taken out first, where prices are unadjusted.
    """
    return pl.concat([_blocks(history), _single_prices(history)]).unique(
        ["symbol", "session"], keep="first", maintain_order=True
    )


def _blocks(history: VendorHistory) -> pl.DataFrame:
    jump = pl.when(near("surprise", UNIT, TOLERANCE)).then(pl.col("surprise").sign()).otherwise(0)
    levels = history.closes.with_columns(level=jump.cum_sum().over("symbol"))
    jumped = levels.filter((pl.col("level") != 0).any().over("symbol"))
    sizes = jumped.group_by("symbol", "level").len().sort("len", descending=True)
    usual = sizes.unique("symbol", keep="first", maintain_order=True)
    blocks = (
        jumped.join(usual.select("symbol", usual="level"), on="symbol", maintain_order="left")
        .with_columns(run=pl.col("level").rle_id().over("symbol"))
        .filter(pl.col("level") != pl.col("usual"))
        .group_by("symbol", "run", maintain_order=True)
        .agg(
            pl.col("session", "close", "level", "usual").first(),
            last_session=pl.col("session").last(),
            rows=pl.len(),
        )
    )
    return to_history_findings(
        blocks,
        NAME,
        expected="one unit for all prices",
        found=pl.format(
            "{} rows at 100^{} of the others, the first close {}",
            "rows",
            (pl.col("level") - pl.col("usual")).cast(pl.Int64),
            rounded("close"),
        ),
    )


def _single_prices(history: VendorHistory) -> pl.DataFrame:
    ratios = [(pl.col(name) / pl.col("close")).log().alias(name) for name in _OTHERS]
    logs = history.closes.select("symbol", "session", "close", *ratios)
    strange = pl.any_horizontal(
        (pl.col(name).abs() - math.log(UNIT)).abs() < math.log(TOLERANCE) for name in _OTHERS
    )
    return to_history_findings(
        logs.filter(strange),
        NAME,
        expected="open, high, low and close in one unit",
        found=pl.format("a price a hundred times another, close {}", rounded("close")),
    )


_OTHERS = ("open", "high", "low")

AUDIT = Audit(name=NAME, find=find_other_units)
