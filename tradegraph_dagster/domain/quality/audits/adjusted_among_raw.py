"""Adjusted prices where unadjusted ones are expected: a whole history of them, or a block."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.quality.history import (
    Audit,
    VendorHistory,
    rounded,
    to_history_findings,
)

NAME = "adjusted_among_raw"
# Standard errors that the part of its events a price fell by must lie below one, and the part that
# leaves no doubt which of the two it is.
ERRORS = 4.0
MOST_FALLEN_FRAC = 0.5
# One event alone, in usual moves.
NOISES = 5.0
BLOCK_ROWS = 30


def find_adjusted_prices(history: VendorHistory) -> pl.DataFrame:
    """Prices that do not fall when a dividend or bonus shares go off them.

    By symbol, over all its events: unadjusted prices fall by all of each, adjusted ones by nothing.
    By event, where it is large against the usual moves: the price falls by the event within the
    rows before instead of on the day, which is how a block of adjusted prices begins. A dividend
    smaller than the usual moves hides such a block; only a second source shows it.
    """
    if history.prices != "raw":
        return to_history_findings(
            history.closes.clear(), NAME, expected="", found=pl.lit("", pl.String)
        )
    return pl.concat([_whole(history.closes), _blocks(history.closes)]).unique(
        ["symbol", "session"], keep="first", maintain_order=True
    )


def fallen_fractions(closes: pl.DataFrame) -> pl.DataFrame:
    """By symbol, which part of its events the prices fall by: 1 when unadjusted, 0 when adjusted.

    Returns:
        `symbol`, first and last `session` of its events, their number `rows`, `fallen_frac`, a
        least-squares slope, and its standard `error`.
    """
    fall, move = pl.col("fall"), pl.col("move")
    # One wild move must not carry a name.
    tame = move.clip(-NOISES * pl.col("noise") - fall, NOISES * pl.col("noise"))
    return (
        closes.filter(fall != 0, move.is_not_null())
        .group_by("symbol", maintain_order=True)
        .agg(
            pl.col("session").first(),
            last_session=pl.col("session").last(),
            rows=pl.len(),
            fallen_frac=-(tame * fall).sum() / (fall**2).sum(),
            error=pl.col("noise").first() / (fall**2).sum().sqrt(),
        )
    )


def _whole(closes: pl.DataFrame) -> pl.DataFrame:
    adjusted = fallen_fractions(closes).filter(
        pl.col("fallen_frac") < MOST_FALLEN_FRAC,
        pl.col("fallen_frac") < 1 - ERRORS * pl.col("error"),
    )
    return to_history_findings(
        adjusted,
        NAME,
        expected="unadjusted prices, which fall by what goes off them",
        found=pl.format(
            "over {} events they fall by {} of it", "rows", rounded("fallen_frac")
        ),
    )


def _blocks(closes: pl.DataFrame) -> pl.DataFrame:
    big = pl.col("fall") > NOISES * pl.col("noise")
    # Off the day's fall by all of it, and nearer to none than to half.
    events = closes.filter(big, pl.col("move").abs() < pl.col("fall") / 4).select(
        "symbol", "fall", event_on="session", event_position="position"
    )
    starts = (
        closes.drop("fall")
        .join(events, on="symbol", maintain_order="left")
        .filter(
            (pl.col("event_position") - pl.col("position")).is_between(1, BLOCK_ROWS),
            (pl.col("surprise") + pl.col("fall")).abs() < pl.col("fall") / 4,
        )
        .with_columns(
            rows=pl.col("event_position") - pl.col("position"),
            last_session=pl.col("event_on"),
            taken_off=1 - (-pl.col("fall")).exp(),
        )
    )
    return to_history_findings(
        starts,
        NAME,
        expected=pl.format("a fall by the events of {} on that day", "event_on"),
        found=pl.format("{} of the price is off from this row on", rounded("taken_off")),
    )


AUDIT = Audit(name=NAME, find=find_adjusted_prices)
