"""Turnover is of the size it was: the check that finds a unit which amount and volume share."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.quality.rows import histories, to_findings, worded
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate, GateInput

NAME = "turnover_level"
LOOKBACK = 20
MIN_BARS = 5
# Real extremes of one name after its first weeks: 1/70 and 60 times; hence a warning only.
ROW_TIMES = 20.0
# Real extremes of the median of all names, five years: 0.55 and 6.2.
SESSION_TIMES = 10.0
MIN_ROWS_TO_BLOCK = 10
# The first weeks after a listing fall from any height.
NEW_LISTING_SESSIONS = 30


def find_turnover_jumps(gate_input: GateInput) -> pl.DataFrame:
    """Amounts far from the median of the symbol's twenty sessions before.

    Twenty times more or less is a warning. When the middle name of a session is ten times off,
    the whole file is in another unit and blocks the session.
    """
    traded = gate_input.bars.filter(
        ~pl.col("is_suspended"), pl.col("amount").is_finite(), pl.col("amount") > 0
    )
    bars = histories(
        traded.select(*SESSION_SYMBOL, "amount", "sessions_listed"), gate_input.market.calendar
    )
    usual = pl.col("amount").rolling_median_by(
        "place", f"{LOOKBACK}i", min_samples=MIN_BARS, closed="left"
    )
    judged = (
        bars.with_columns(usual=usual)
        .filter(pl.col("session").is_in(list(gate_input.sessions)))
        .with_columns(times=(pl.col("amount") / pl.col("usual")).round(4))
        .drop_nulls("times")
    )
    middle = judged.group_by("session").agg(pl.col("times").median(), rows=pl.len())
    whole = middle.filter(_is_beyond(SESSION_TIMES), pl.col("rows") >= MIN_ROWS_TO_BLOCK)
    single = judged.filter(_is_beyond(ROW_TIMES), pl.col("sessions_listed") > NEW_LISTING_SESSIONS)
    return pl.concat([_block(whole), _warn(single)]).sort(BAR_FINDINGS.key)


def _is_beyond(times: float) -> pl.Expr:
    return ~pl.col("times").is_between(1 / times, times)


def _warn(rows: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        rows,
        NAME,
        severity=Severity.WARN,
        expected=worded("an amount like the usual {}", "usual"),
        found=worded("{}, {} times the usual", "amount", "times"),
    )


def _block(sessions: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        sessions.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        NAME,
        severity=Severity.BLOCK,
        expected=f"a middle amount within {SESSION_TIMES:g} times of the usual, up or down",
        found=worded("{} times the usual, the middle of {} names", "times", "rows"),
    )


GATE = Gate(name=NAME, severity=Severity.BLOCK, find=find_turnover_jumps, lookback=LOOKBACK)
