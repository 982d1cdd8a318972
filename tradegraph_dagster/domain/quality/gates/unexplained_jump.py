"""Where no price limit holds, a close does not jump by more than 30 % without an event."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.price_bands import add_price_bands
from tradegraph_dagster.domain.quality.rows import shown, to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "unexplained_jump"
MAX_JUMP_FRAC = 0.30
# New listings have no limits in these sessions in China, and move as far as they like anywhere.
NEW_LISTING_SESSIONS = 5
NEW_LISTING_MAX_TIMES = 10.0


def find_jumps(gate_input: GateInput) -> pl.DataFrame:
    """Bars that look like an unadjusted split, a wrong unit or another instrument's price.

    The reference is ex-right, so a recorded split or dividend is no jump. A new listing may move
    further, but not tenfold in a session.
    """
    times = pl.col("raw_close") / pl.col("reference_close")
    is_new = pl.col("sessions_listed") <= NEW_LISTING_SESSIONS
    is_far = ~times.is_between(1 / NEW_LISTING_MAX_TIMES, NEW_LISTING_MAX_TIMES)
    jumped = gate_input.traded.filter(
        pl.when(is_new).then(is_far).otherwise((times - 1).abs() > MAX_JUMP_FRAC)
    )
    banded = add_price_bands(jumped, gate_input.market)
    return to_findings(
        banded.filter(~pl.col("is_limited")),
        NAME,
        severity=Severity.QUARANTINE,
        expected=f"a close within {MAX_JUMP_FRAC:.0%} of the reference "
        f"({NEW_LISTING_MAX_TIMES:g} times when newly listed), or an event",
        found=shown("raw_close", "reference_close"),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_jumps)
