"""Tables and values of the quality stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity, findings_schema
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, Column, FrameSchema
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.quality.matching import match_listings

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
        released: (session, symbol) of bars that people let through as they are: what is odd about
            them is explained, and casts no doubt on the bars after them.
    """

    bars: pl.DataFrame
    instruments: pl.DataFrame
    actions: pl.DataFrame
    sessions: tuple[date, ...]
    market: Market
    released: pl.DataFrame = field(
        default_factory=lambda: ADJUSTED_BARS.empty().select(SESSION_SYMBOL)
    )

    @cached_property
    def judged(self) -> pl.DataFrame:
        """The bars of the sessions to judge, without the lookback.

        `listed_on` is added: null where the symbol is no instrument of the session.
        """
        return self._matched[0]

    @cached_property
    def traded(self) -> pl.DataFrame:
        """The judged bars of instruments that were not suspended."""
        return self.judged.filter(~pl.col("is_suspended"))

    @cached_property
    def listed(self) -> pl.DataFrame:
        """The instruments of the sessions to judge."""
        return self.instruments.filter(self._is_judged)

    @cached_property
    def missing(self) -> pl.DataFrame:
        """The instruments of the sessions to judge that have no bar."""
        return self._matched[1]

    def since(self, first: date) -> GateInput:
        """The same input without the rows before a session, none of which is to be judged."""
        nearer = replace(
            self, bars=_rows_since(self.bars, first), actions=_rows_since(self.actions, first)
        )
        # What is judged is the same: it is worked out once for all gates.
        vars(nearer).update(judged=self.judged, traded=self.traded, _matched=self._matched)
        return nearer

    @property
    def _is_judged(self) -> pl.Expr:
        return pl.col("session").is_in(list(self.sessions))

    @cached_property
    def _matched(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return match_listings(self.bars.filter(self._is_judged), self.listed)


def _rows_since(rows: pl.DataFrame, first: date) -> pl.DataFrame:
    sessions = rows.get_column("session")
    # As they are stored, rows are sorted, and their end can be had without a copy.
    if sessions.is_sorted():
        return rows.slice(sessions.search_sorted(first, side="left"))
    return rows.filter(sessions >= first)


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
