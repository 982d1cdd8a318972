"""A session to judge is a session of the market's calendar."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.quality.rows import to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "calendar_session"


def find_closed_days(gate_input: GateInput) -> pl.DataFrame:
    """Days on which the exchange does not trade: weekends, holidays, make-up working Saturdays."""
    calendar = gate_input.market.calendar
    closed = [day for day in gate_input.sessions if not calendar.is_session(day)]
    rows = pl.DataFrame({"session": closed}, schema={"session": pl.Date})
    return to_findings(
        rows.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        NAME,
        severity=Severity.BLOCK,
        expected=f"a session of {calendar.name}",
        found=pl.format("a closed day, {}", pl.col("session").dt.strftime("%A")),
    )


GATE = Gate(name=NAME, severity=Severity.BLOCK, find=find_closed_days)
