"""Volume and amount are finite and not negative, and a suspended bar has none."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.quality.rows import shown, to_findings
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "nonnegative_turnover"


def find_impossible_turnover(gate_input: GateInput) -> pl.DataFrame:
    """Bars whose volume or amount is missing though traded, not finite or negative.

    A suspended bar with turnover contradicts itself and is found too.
    """
    volume, amount = pl.col("volume"), pl.col("amount")
    impossible = pl.any_horizontal(
        *(~column.is_finite() | (column < 0) for column in (volume, amount))
    ).fill_null(False)
    absent = volume.is_null() & ~pl.col("is_suspended")
    contradictory = pl.col("is_suspended") & ((volume.fill_null(0) > 0) | (amount > 0))
    rows = gate_input.judged.filter(impossible | absent | contradictory)
    return to_findings(
        rows,
        NAME,
        severity=Severity.BLOCK,
        expected="volume and amount finite and >= 0; none when suspended",
        found=shown("volume", "amount", "is_suspended"),
    )


GATE = Gate(name=NAME, severity=Severity.BLOCK, find=find_impossible_turnover)
