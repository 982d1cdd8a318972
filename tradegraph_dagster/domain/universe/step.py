"""The universe step: read each session's window, decide, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frame_store import StepReport, split_ready, write_sessions
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.universe.schema import (
    LIQUIDITY_WINDOW_SESSIONS,
    UNIVERSE,
    UniversePolicy,
)
from tradegraph_dagster.domain.universe.select import bars_to_universe


def select_universe(ws: Workspace, sessions: Sequence[date], policy: UniversePolicy) -> StepReport:
    """Write the universe of each session whose window is validated.

    Args:
        ws: Reads `validated_bars` of the last 20 sessions (fewer at the start of the history) and
            `instruments` of the session.
        sessions: Sessions to decide on.
        policy: Who is a member.

    Returns:
        What was written, and the sessions that wait for a validated session in their window.
    """
    ready, withheld = split_ready(
        ws.store,
        {
            VALIDATED_BARS.name: lambda day: ws.trailing(day, LIQUIDITY_WINDOW_SESSIONS),
            INSTRUMENTS.name: lambda day: (day,),
        },
        sessions,
        table=UNIVERSE.name,
    )
    windows = {day: ws.trailing(day, LIQUIDITY_WINDOW_SESSIONS) for day in ready}
    bars = ws.store.read(VALIDATED_BARS, sorted({day for w in windows.values() for day in w}))
    instruments = ws.store.read(INSTRUMENTS, ready)
    universe = bars_to_universe(bars, instruments, windows, policy=policy)
    return StepReport(write_sessions(ws.store, UNIVERSE, universe, ready, _facts), withheld)


def _facts(universe: pl.DataFrame) -> Mapping[str, int]:
    return {
        "members": int(universe.get_column("is_member").sum()),
        "suspended": int(universe.get_column("is_suspended").sum()),
    }
