"""A bar belongs to an instrument that is listed on its session."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "listed_instrument"


def find_unlisted_bars(gate_input: GateInput) -> pl.DataFrame:
    """Bars whose symbol is not among the session's instruments, or is listed only later."""
    listed_on = pl.col("listed_on")
    rows = gate_input.judged.filter(listed_on.is_null() | (listed_on > pl.col("session")))
    return to_findings(
        rows,
        NAME,
        severity=Severity.QUARANTINE,
        expected="a symbol listed on the session",
        found=pl.coalesce(pl.format("listed on {}", "listed_on"), pl.lit("not an instrument")),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_unlisted_bars)
