"""Every listed instrument has a bar."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.quality.rows import to_findings, worded
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate, GateInput

NAME = "coverage"
MAX_MISSING_FRAC = 0.02
NAMES_SHOWN = 5


def find_gaps(gate_input: GateInput) -> pl.DataFrame:
    """Listed instruments without a bar, suspended ones included.

    Up to 2 % of the names may be missing, each with a warning. More, no instrument at all, or a
    session on which nothing traded blocks: an empty answer of a vendor looks like that.
    """
    missing = gate_input.missing
    counts = _count(gate_input, missing)
    is_hole = (pl.col("missing") > MAX_MISSING_FRAC * pl.col("listed")) | (pl.col("traded") == 0)
    holes = counts.filter(is_hole)
    single = missing.join(holes, on="session", how="anti")
    return pl.concat([_block(holes), _warn(single)]).sort(BAR_FINDINGS.key)


def _count(gate_input: GateInput, missing: pl.DataFrame) -> pl.DataFrame:
    """One row a session: how many are listed, missing and traded, and the first missing names."""
    sessions = pl.DataFrame({"session": gate_input.sessions}, schema={"session": pl.Date})
    listed = gate_input.listed.group_by("session").agg(listed=pl.len())
    traded = gate_input.traded.group_by("session").agg(traded=pl.len())
    gaps = missing.group_by("session").agg(
        missing=pl.len(), names=pl.col("symbol").sort().head(NAMES_SHOWN).str.join(" ")
    )
    counts = sessions.unique()
    for part in (listed, traded, gaps):
        counts = counts.join(part, on="session", how="left")
    return counts.with_columns(
        pl.col("listed", "traded", "missing").fill_null(0), pl.col("names").fill_null("none")
    )


def _block(holes: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        holes.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        NAME,
        severity=Severity.BLOCK,
        expected=f"bars of at least {1 - MAX_MISSING_FRAC:.0%} of the listed, some of them traded",
        found=worded(
            "{} of {} listed missing, {} traded; missing first: {}",
            *("missing", "listed", "traded", "names"),
        ),
    )


def _warn(single: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        single,
        NAME,
        severity=Severity.WARN,
        expected="a bar, suspended or not",
        found=worded("none; listed since {}", "listed_on"),
    )


GATE = Gate(name=NAME, severity=Severity.BLOCK, find=find_gaps)
