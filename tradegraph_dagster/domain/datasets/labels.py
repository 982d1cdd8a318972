"""Bars -> labels: the return a forecast of session t is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.quality.price_bands import add_price_bands

# The narrowest limit is 5 %. Rounding the reference and the limit to ticks can lower it by one tick
# in all, binary dust by less than another: no bar that gained less than this closed at a limit.
# It saves calling the market's Decimal rules for the many bars that did not.
NEVER_LIMITED_FRAC = 0.04
ROUNDING_TICKS = 2


def bars_to_labels(
    bars: pl.DataFrame,
    *,
    sessions: Sequence[date],
    calendar: SessionCalendar,
    span: LabelSpan,
    market: Market,
) -> pl.DataFrame:
    """Label every instrument with a bar on a session.

    A forecast made after the close of t is bought at the close of t + `span.entry` and sold at the
    close of t + `span.exit`.

    Timing: the label of t reads these two closes and no other bar after t.

    Args:
        bars: VALIDATED_BARS rows of the sessions, of their entries and of their exits; others are
            not read.
        sessions: Sessions t to label.
        calendar: Counts the sessions, and must reach `span.exit` beyond the last.
        span: Which closes to read.
        market: Whose price limits decide whether the entry could be bought at its close.

    Returns:
        Rows of `span.table`. The label is null where the entry or the exit was not traded.

    Raises:
        MissingSession: The calendar does not reach far enough.
    """
    spans = pl.DataFrame(
        {
            "session": list(sessions),
            "entry": [calendar.shift(day, span.entry) for day in sessions],
            "exit": [calendar.shift(day, span.exit) for day in sessions],
        },
        schema=dict.fromkeys(("session", "entry", "exit"), pl.Date),
    )
    rows = bars.select(SESSION_SYMBOL).join(spans, on="session")
    traded = bars.filter(~pl.col("is_suspended"), pl.col("volume") > 0)
    entries = _on(traded, "entry", "close")
    exits = _on(traded, "exit", "close")
    entered = traded.filter(pl.col("session").is_in(spans.get_column("entry").to_list()))
    limited = _on(closes_at_upper_limit(entered, calendar, market), "entry")
    labelled = (
        rows.join(entries, on=["entry", "symbol"], how="left")
        .join(exits, on=["exit", "symbol"], how="left")
        .join(limited.with_columns(is_limited=True), on=["entry", "symbol"], how="left")
    )
    return conform_frame(
        labelled.with_columns(
            label=pl.col("exit_close") / pl.col("entry_close") - 1,
            is_entry_tradable=pl.col("entry_close").is_not_null() & pl.col("is_limited").is_null(),
        ),
        span.table,
    )


def closes_at_upper_limit(
    traded: pl.DataFrame, calendar: SessionCalendar, market: Market
) -> pl.DataFrame:
    """The (session, symbol) pairs whose raw close is at the upper price limit or above it.

    A bar without a reference close has no limit: it is the first of its instrument.
    """
    tick = float(market.tick)
    moved = traded.filter(
        pl.col("raw_close") + ROUNDING_TICKS * tick
        >= pl.col("reference_close") * (1 + NEVER_LIMITED_FRAC)
    )
    banded = add_price_bands(_add_listings(moved, calendar), market)
    # Half a tick: prices are whole ticks, so this only swallows binary dust.
    is_at_limit = pl.col("raw_close") >= pl.col("upper_limit") - 0.5 * tick
    return banded.filter("is_limited", is_at_limit).select(SESSION_SYMBOL)


def _on(bars: pl.DataFrame, session_name: str, *columns: str) -> pl.DataFrame:
    """The columns of each (session, symbol), the session renamed and the columns after it."""
    return bars.select(
        pl.col("session").alias(session_name),
        "symbol",
        *(pl.col(name).alias(f"{session_name}_{name}") for name in columns),
    )


def _add_listings(bars: pl.DataFrame, calendar: SessionCalendar) -> pl.DataFrame:
    """Add `listed_on`, counted back; the calendar's first session for older listings."""
    known = pl.DataFrame({"session": calendar.sessions}, schema={"session": pl.Date}).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("at")
    )
    listed_at = pl.max_horizontal(pl.col("at") - pl.col("sessions_listed").cast(pl.Int64) + 1, 0)
    return (
        bars.join(known, on="session")
        .with_columns(at=pl.min_horizontal(listed_at, "at"))
        .join(known.rename({"session": "listed_on"}), on="at")
        .drop("at")
    )
