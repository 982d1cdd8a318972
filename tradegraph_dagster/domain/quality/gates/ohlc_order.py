"""The high is the highest price of a bar and the low the lowest."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import PRICE_NOISE_FRAC, shown, to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "ohlc_order"


def find_disorder(gate_input: GateInput) -> pl.DataFrame:
    """Bars whose high is below, or whose low is above, another of their prices.

    One such bar blocks its session: columns were swapped or a file was cut, and nobody knows where
    it began.
    """
    noise = pl.col("raw_high").abs() * PRICE_NOISE_FRAC
    highest = pl.max_horizontal("raw_open", "raw_close", "raw_low")
    lowest = pl.min_horizontal("raw_open", "raw_close", "raw_high")
    rows = gate_input.traded.filter(
        (pl.col("raw_high") + noise < highest) | (pl.col("raw_low") - noise > lowest)
    )
    return to_findings(
        rows,
        NAME,
        severity=Severity.BLOCK,
        expected="low <= open, close <= high",
        found=shown("raw_open", "raw_high", "raw_low", "raw_close"),
    )


GATE = Gate(name=NAME, severity=Severity.BLOCK, find=find_disorder)
