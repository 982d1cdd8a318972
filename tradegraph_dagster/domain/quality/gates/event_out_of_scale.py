"""An event's terms are in scale with the price: the check that finds terms of ten shares."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import event_steps, to_findings, worded
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "event_out_of_scale"
MAX_CASH_FRAC = 0.5
# The largest bonus paid in China was 3 new shares for an old one.
MAX_NEW_SHARES = 3.0
# On five real years no open after a right event went further back than 0.35 of the way.
MAX_OPEN_WAY = 0.35


def find_events_out_of_scale(gate_input: GateInput) -> pl.DataFrame:
    """Ex-dates with a dividend of half the price or more, or above three new shares for an old one.

    Vendors state amounts for ten shares or in cents; taken for one share and whole currency they
    are 10 or 100 times too large. A split is stated as a ratio and has no such unit.
    """
    # Where the price went with it, the terms are true: a special dividend, a stock dividend of 19.
    way = (pl.col("raw_open") / pl.col("reference_close")).log() / pl.col("step").log()
    is_confirmed = (way.abs() < MAX_OPEN_WAY).fill_null(False)
    is_large = (pl.col("cash_per_share") >= MAX_CASH_FRAC * pl.col("close_before")) | (
        pl.max_horizontal("bonus_ratio", "rights_ratio") > MAX_NEW_SHARES
    )
    return to_findings(
        event_steps(gate_input, gate_input.judged).filter(is_large, ~is_confirmed),
        NAME,
        severity=Severity.QUARANTINE,
        expected=f"cash below {MAX_CASH_FRAC:.0%} of the close before, "
        f"at most {MAX_NEW_SHARES:g} new shares a share",
        found=worded(
            "cash {} on a close of {}, bonus {}, rights {}",
            *("cash_per_share", "close_before", "bonus_ratio", "rights_ratio"),
        ),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_events_out_of_scale)
