"""A price that becomes a simple fraction or multiple overnight is a split nobody recorded."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.quality.price_bands import add_price_bands
from tradegraph_dagster.domain.quality.rows import to_findings, worded
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "split_missing"
RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0, 10.0, 20.0, 50.0)
TOLERANCE_FRAC = 0.03
MIN_JUMP_FRAC = 0.30
NEW_LISTING_SESSIONS = 5


def find_missing_splits(gate_input: GateInput) -> pl.DataFrame:
    """Bars without an event that open near a simple ratio of the reference and close beyond limits.

    Where no limit holds, the close must be 30 % away. The jump itself is found by `price_limits` or
    `unexplained_jump`; this says what to look for at the source.
    """
    open_move = pl.col("raw_open") / pl.col("reference_close")
    close_move = pl.col("raw_close") / pl.col("reference_close")
    ratio = pl.concat_list(
        pl.when((open_move / simple - 1).abs() <= TOLERANCE_FRAC).then(pl.lit(simple))
        for count in RATIOS
        for simple in (count, 1 / count)
    ).list.drop_nulls()
    jumped = (
        gate_input.traded.join(events_in_force(gate_input.actions), on=SESSION_SYMBOL, how="anti")
        .filter(
            (close_move - 1).abs() > MIN_JUMP_FRAC,
            pl.col("sessions_listed") > NEW_LISTING_SESSIONS,
        )
        .with_columns(ratio=ratio.list.first())
        .drop_nulls("ratio")
    )
    banded = add_price_bands(jumped, gate_input.market)
    beyond = ~pl.col("is_limited") | ~pl.col("raw_close").is_between("lower_limit", "upper_limit")
    return to_findings(
        banded.filter(beyond).with_columns(pl.col("ratio").round(4)),
        NAME,
        severity=Severity.QUARANTINE,
        expected=worded("an event, or an open near the reference of {}", "reference_close"),
        found=worded("open {}, {} times the reference, and no event", "raw_open", "ratio"),
    )


GATE = Gate(name=NAME, severity=Severity.QUARANTINE, find=find_missing_splits)
