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
# One event may be on record wrongly.
MIN_EVENTS = 2
# A wild move counts as this many usual ones.
NOISES = 5.0
# The longest holidays, with their weekends: over a longer suspension a price goes where it likes.
MAX_DAYS = 12
BLOCK_ROWS = 30
# How much likelier, in logs, a block is than chance: some 30 rows before each of some thousand
# events are tried, e^10.3 in all, and a hundred times that is left for moves being wilder than a
# normal law has them.
EVIDENCE = 15.0


def find_adjusted_prices(history: VendorHistory) -> pl.DataFrame:
    """Prices that do not fall when a dividend or bonus shares go off them.

    By symbol, over all its events: unadjusted prices fall by all of each, adjusted ones by nothing.
    By event: the price falls by it on a row before instead of on the day, which is how a block of
    adjusted prices begins. An event below about four usual moves hides such a block; only a second
    source shows it.
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
    fall = pl.col("fall")
    return (
        closes.filter(fall != 0, pl.col("own_move").is_not_null(), pl.col("days") <= MAX_DAYS)
        .group_by("symbol", maintain_order=True)
        .agg(
            pl.col("session").first(),
            last_session=pl.col("session").last(),
            rows=pl.len(),
            fallen_frac=-(_tame_move() * fall).sum() / (fall**2).sum(),
            error=pl.col("noise").first() / (fall**2).sum().sqrt(),
        )
    )


def adjusted_names(fractions: pl.DataFrame) -> pl.DataFrame:
    """The rows of `fallen_fractions` whose prices are adjusted beyond doubt."""
    return fractions.filter(
        pl.col("rows") >= MIN_EVENTS,
        pl.col("fallen_frac") < MOST_FALLEN_FRAC,
        pl.col("fallen_frac") < 1 - ERRORS * pl.col("error"),
    )


def _whole(closes: pl.DataFrame) -> pl.DataFrame:
    return to_history_findings(
        adjusted_names(fallen_fractions(closes)),
        NAME,
        expected="unadjusted prices, which fall by what goes off them",
        found=pl.format("over {} events they fall by {} of it", "rows", rounded("fallen_frac")),
    )


def _tame_move() -> pl.Expr:
    """The own move, without what is wild about it: neither the events' fall nor near nothing."""
    usual = NOISES * pl.col("noise")
    return pl.col("own_move").clip(-pl.col("fall") - usual, usual)


def _blocks(closes: pl.DataFrame) -> pl.DataFrame:
    """Log likelihood of no fall on the day and of one before, against the other way round."""
    known = closes.filter(pl.col("days") <= MAX_DAYS)
    half, scale = pl.col("fall") / 2, pl.col("fall") / pl.col("noise") ** 2
    events = (
        known.with_columns(unfallen=(_tame_move() + half) * scale)
        .filter(pl.col("fall") > 0, pl.col("unfallen") > 0)
        .select("symbol", "fall", "unfallen", event_on="session", event_position="position")
    )
    starts = (
        known.filter(pl.col("fall") == 0)
        .drop("fall")
        .join(events, on="symbol", maintain_order="left")
        .filter((pl.col("event_position") - pl.col("position")).is_between(1, BLOCK_ROWS))
        .with_columns(tame=_tame_move())
        .with_columns(fallen=(-pl.col("tame") - half) * scale)
        .filter(
            pl.col("fallen") > 0,
            (pl.col("tame") + pl.col("fall")).abs() < pl.col("fall") / 2,
        )
        .with_columns(evidence=pl.col("fallen") + pl.col("unfallen"))
        .filter(pl.col("evidence") > EVIDENCE)
        .sort("evidence", descending=True)
        .unique(["symbol", "event_on"], keep="first", maintain_order=True)
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
