"""A large event moves the price on its ex-date: one that does not was wrong or came twice."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.quality.rows import event_steps, numbered, to_findings, worded
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "event_without_effect"
# Below it an ordinary day can hide the fall.
MIN_STEP = 1.08
# How much of the way from the reference back to the close before; 1 is no effect at all. On five
# real years no open after a right event of this size went further than 0.35 of it.
MIN_OPEN_WAY = 0.6
MIN_CLOSE_WAY = 0.4
# The factor of a wrong event bends every return that spans the ex-date: so long it is doubted.
LOOKBACK = 40


def find_events_without_effect(gate_input: GateInput) -> pl.DataFrame:
    """Traded ex-dates on which the price stayed where it was, though a holder's share shrank.

    An event on a wrong day, one that is in the prices already (adjusted prices among raw ones), or
    one with its terms too large: ten shares' dividend taken for one share's. The bars of the forty
    sessions after it are taken out too, until the event is corrected or its ex-date released.
    """
    steps = event_steps(gate_input, gate_input.bars).filter(~pl.col("is_suspended"))
    way = pl.col("step").log()
    rows = steps.filter(
        way.abs() >= pl.lit(MIN_STEP).log(),
        (pl.col("raw_open") / pl.col("reference_close")).log() / way >= MIN_OPEN_WAY,
        (pl.col("raw_close") / pl.col("reference_close")).log() / way >= MIN_CLOSE_WAY,
    )
    return to_findings(
        _with_sessions_after(rows, gate_input),
        NAME,
        severity=Severity.QUARANTINE,
        expected=worded(
            "a fall from {} to about {} on the ex-date", "close_before", "reference_close"
        ),
        found=worded(
            "open {}, close {} on {}: as if there was no event",
            *("raw_open", "raw_close", "ex_date"),
        ),
    )


def _with_sessions_after(rows: pl.DataFrame, gate_input: GateInput) -> pl.DataFrame:
    """Judged bars from the ex-date on, with what the event's row says of it."""
    is_released = pl.lit(True).alias("is_released")
    released = gate_input.released.with_columns(is_released)
    events = (
        numbered(rows, gate_input.market.calendar)
        .join(released, on=SESSION_SYMBOL, how="left")
        .select(
            *("symbol", "close_before", "reference_close", "raw_open", "raw_close", "is_released"),
            ex_date="session",
            first="number",
        )
    )
    concerned = pl.col("symbol").is_in(events.get_column("symbol").unique().implode())
    bars = gate_input.judged.filter(concerned).select(SESSION_SYMBOL)
    age = pl.col("number") - pl.col("first")
    return (
        numbered(bars, gate_input.market.calendar)
        .join(events, on="symbol")
        .filter(age.is_between(0, LOOKBACK), (age == 0) | pl.col("is_released").is_null())
        .sort(*SESSION_SYMBOL, "ex_date")
        .unique(SESSION_SYMBOL, keep="last", maintain_order=True)
    )


GATE = Gate(
    name=NAME, severity=Severity.QUARANTINE, find=find_events_without_effect, lookback=LOOKBACK
)
