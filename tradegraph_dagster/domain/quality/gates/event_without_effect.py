"""A large event moves the price on its ex-date: one that does not was wrong or came twice."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import event_steps, to_findings, worded
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "event_without_effect"
# Below it an ordinary day can hide the fall.
MIN_STEP = 1.08
# How much of the way from the reference back to the close before; 1 is no effect at all. On five
# real years no open after a right event of this size went further than 0.35 of it.
MIN_OPEN_WAY = 0.6
MIN_CLOSE_WAY = 0.4


def find_events_without_effect(gate_input: GateInput) -> pl.DataFrame:
    """Traded ex-dates on which the price stayed where it was, though a holder's share shrank.

    An event on a wrong day, one that is in the prices already (adjusted prices among raw ones), or
    one with its terms too large: ten shares' dividend taken for one share's.
    """
    steps = event_steps(gate_input).filter(~pl.col("is_suspended"))
    way = pl.col("step").log()
    rows = steps.filter(
        way.abs() >= pl.lit(MIN_STEP).log(),
        (pl.col("raw_open") / pl.col("reference_close")).log() / way >= MIN_OPEN_WAY,
        (pl.col("raw_close") / pl.col("reference_close")).log() / way >= MIN_CLOSE_WAY,
    )
    return to_findings(
        rows,
        NAME,
        severity=Severity.QUARANTINE,
        expected=worded(
            "a fall from {} to about {} on the ex-date", "close_before", "reference_close"
        ),
        found=worded("open {}, close {}: as if there was no event", "raw_open", "raw_close"),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_events_without_effect)
