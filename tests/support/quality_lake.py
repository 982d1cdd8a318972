"""A market's lake with adjusted bars and instruments, ready for the quality step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tests.support.damaged_bars import DAYS, clean_bars
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace


def quality_workspace(
    bars: pl.DataFrame,
    *,
    instruments: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
    days: Sequence[date] = DAYS,
) -> Workspace:
    store = MemoryFrameStore()
    listed = make_instruments(clean_bars()) if instruments is None else instruments
    write_sessions(store, ADJUSTED_BARS, bars, days)
    write_sessions(store, INSTRUMENTS, listed, days)
    events = CORPORATE_ACTIONS.empty() if actions is None else actions
    write_sessions(store, CORPORATE_ACTIONS, events, days)
    return Workspace(PlainMarket(), store, days[0])
