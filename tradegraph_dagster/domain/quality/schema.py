"""Tables and values of the quality stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity, findings_schema
from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.schema import Market

BAR_FINDINGS = findings_schema("bar_findings", "What the gates found.")

QUARANTINED_BARS = FrameSchema(
    name="quarantined_bars",
    doc="Adjusted bars taken out, with the reason.",
    columns={**ADJUSTED_BARS.columns, "reason": Column(pl.String, "gates that took it out")},
)

VALIDATED_BARS = FrameSchema(
    name="validated_bars",
    doc="Adjusted bars of sessions that passed the gates, without the quarantined rows.",
    columns=ADJUSTED_BARS.columns,
)


@dataclass(frozen=True)
class GateInput:
    """What a gate may look at.

    Attributes:
        bars: ADJUSTED_BARS rows of `sessions` and of the `lookback` sessions before.
        instruments: INSTRUMENTS rows of `sessions`.
        actions: CORPORATE_ACTIONS rows, newest versions, of the same sessions as `bars`.
        sessions: Sessions to judge; findings name only these.
        market: Rules, for limits and the calendar.
    """

    bars: pl.DataFrame
    instruments: pl.DataFrame
    actions: pl.DataFrame
    sessions: tuple[date, ...]
    market: Market


@dataclass(frozen=True)
class Gate:
    """One entry of the gate catalogue. The finder returns BAR_FINDINGS rows, pure and repeatable.

    `lookback` is how many earlier sessions the finder reads; the verdict on a session must not
    depend on which other sessions are judged beside it.
    """

    name: str
    severity: Severity
    find: Callable[[GateInput], pl.DataFrame]
    lookback: int = 0
