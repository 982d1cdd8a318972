"""The same event does not happen twice within ten sessions."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.corporate_actions.events import TERMS, events_in_force
from tradegraph_dagster.domain.quality.rows import numbered, to_findings, worded
from tradegraph_dagster.domain.quality.schema import Gate, GateInput

NAME = "event_repeated"
LOOKBACK = 10


def find_repeated_events(gate_input: GateInput) -> pl.DataFrame:
    """Ex-dates with exactly the terms of an ex-date of the same symbol shortly before.

    A vendor that moves an ex-date may leave the old one standing: the dividend is counted twice.
    One that is small may also be true, hence a warning; a large one that moved no price is taken
    out by `event_without_effect`.
    """
    events = numbered(events_in_force(gate_input.actions), gate_input.market.calendar)
    earlier = events.select(
        "symbol", *TERMS, ex_date_before=pl.col("session"), number_before=pl.col("number")
    )
    repeated = (
        events.join(earlier, on=["symbol", *TERMS])
        .filter((pl.col("number") - pl.col("number_before")).is_between(1, LOOKBACK))
        .group_by(*SESSION_SYMBOL, *TERMS)
        .agg(pl.col("ex_date_before").max())
        .sort(SESSION_SYMBOL)
    )
    judged = gate_input.judged.filter(
        pl.col("symbol").is_in(repeated.get_column("symbol").unique().implode())
    )
    return to_findings(
        repeated.join(judged, on=SESSION_SYMBOL, how="semi", maintain_order="left"),
        NAME,
        severity=Severity.WARN,
        expected=f"other terms than within the {LOOKBACK} sessions before",
        found=worded(
            "cash {}, bonus {}, rights {}, split {}, as on {}",
            *("cash_per_share", "bonus_ratio", "rights_ratio", "split_ratio", "ex_date_before"),
        ),
    )


GATE = Gate(name=NAME, severity=Severity.WARN, find=find_repeated_events, lookback=LOOKBACK)
