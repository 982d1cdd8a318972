"""Amount over volume is a price that traded: the check that finds a wrong unit."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import WHOLE_SESSION, Severity
from tradegraph_dagster.domain.quality.rows import RAW_VOLUME, shown, to_findings, worded
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS, Gate, GateInput

NAME = "vwap_in_range"
SLACK_FRAC = 1e-3
MAX_FAILED_FRAC = 0.01
MIN_ROWS_TO_BLOCK = 20
# In a small market one bad row is above 1 %, and still a fault of that row.
MIN_FAILED_TO_BLOCK = 3


def find_wrong_units(gate_input: GateInput) -> pl.DataFrame:
    """Bars whose average price lies outside their own low and high.

    Lots for shares or thousands for units move it a hundredfold or more. A few such rows are taken
    out; three and more that are above 1 % of at least 20 rows are the unit of the whole file, which
    blocks the session.
    """
    checked = (
        gate_input.traded.filter((pl.col("volume") > 0) | (pl.col("amount") > 0))
        .with_columns(traded_price=pl.col("amount") / RAW_VOLUME)
        .with_columns(
            is_outside=~pl.col("traded_price").is_between(
                pl.col("raw_low") * (1 - SLACK_FRAC), pl.col("raw_high") * (1 + SLACK_FRAC)
            )
        )
    )
    counts = checked.group_by("session").agg(rows=pl.len(), failed=pl.col("is_outside").sum())
    too_many = counts.filter(
        pl.col("rows") >= MIN_ROWS_TO_BLOCK,
        pl.col("failed") >= MIN_FAILED_TO_BLOCK,
        pl.col("failed") > MAX_FAILED_FRAC * pl.col("rows"),
    )
    found = [_block(too_many), _quarantine(checked.filter("is_outside"))]
    return pl.concat(found).sort(BAR_FINDINGS.key)


def _quarantine(rows: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        rows,
        NAME,
        severity=Severity.QUARANTINE,
        expected=worded("amount / volume between {} and {}", "raw_low", "raw_high"),
        found=shown("traded_price", "amount", "volume", "share_factor"),
    )


def _block(sessions: pl.DataFrame) -> pl.DataFrame:
    return to_findings(
        sessions.with_columns(symbol=pl.lit(WHOLE_SESSION)),
        NAME,
        severity=Severity.BLOCK,
        expected=f"at most {MAX_FAILED_FRAC:.0%} of the rows outside their low and high",
        found=worded("{} of {} rows outside: a wrong unit, or adjusted prices", "failed", "rows"),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_wrong_units)
