"""Adjusted bars as they could be known at an instant in the past."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frame_store import batched_sessions
from tradegraph_dagster.domain.corporate_actions.adjust import STATE, bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.market_data.versions import latest_versions
from tradegraph_dagster.domain.markets.workspace import Workspace


def adjusted_bars_as_of(ws: Workspace, sessions: Sequence[date], as_of: datetime) -> pl.DataFrame:
    """Compute adjusted bars from the versions of bars and events that were known by an instant.

    The chain is computed anew from where history begins, batch after batch, so memory grows with
    a batch and with what is returned. Nothing is written. Where nothing was restated since, the
    answer has the bits of the stored `adjusted_bars`.

    Instruments have no versions: each session's are those known then.

    Args:
        ws: Reads `raw_bars`, `corporate_actions` and `instruments` from its first session on.
        sessions: Sessions wanted.
        as_of: Instant with a time zone, included.

    Returns:
        ADJUSTED_BARS rows of `sessions`.

    Raises:
        MissingSession: A session is before history or none, an input is not stored, or no bar of a
            session was known by then.
        SourceSuspect: What was known by then cannot be adjusted.
        InvariantBroken: `as_of` has no time zone.
    """
    if not sessions:
        return ADJUSTED_BARS.empty()
    wanted = frozenset(sessions)
    _require_sessions(ws, wanted)
    kept: list[pl.DataFrame] = []
    previous = ADJUSTED_BARS.empty().select(STATE)
    for batch in batched_sessions(ws.calendar.between(ws.first_session, max(wanted))):
        raw = latest_versions(ws.store.read(RAW_BARS, batch), as_of)
        _require_known(raw, batch, as_of)
        adjusted = bars_to_adjusted_bars(
            raw,
            events_in_force(ws.store.read(CORPORATE_ACTIONS, batch), as_of),
            ws.store.read(INSTRUMENTS, batch),
            previous,
            market=ws.market,
            sessions=batch,
        )
        previous = adjusted.filter(pl.col("session") == batch[-1]).select(STATE)
        if not wanted.isdisjoint(batch):
            kept.append(adjusted.filter(pl.col("session").is_in(list(wanted))))
    return pl.concat(kept)


def _require_sessions(ws: Workspace, wanted: Collection[date]) -> None:
    for day in sorted(wanted):
        if day < ws.first_session or not ws.calendar.is_session(day):
            raise MissingSession(
                f"expected a session of {ws.calendar.name} from {ws.first_session} on; "
                "take it off the list",
                table=ADJUSTED_BARS.name,
                session=day,
            )


def _require_known(raw: pl.DataFrame, batch: Sequence[date], as_of: datetime) -> None:
    known = frozenset(raw.get_column("session"))
    unknown = [day for day in batch if day not in known]
    if unknown:
        raise MissingSession(
            f"no bar of it was known at {as_of.isoformat()}; ask for an earlier session or a "
            "later instant",
            table=RAW_BARS.name,
            session=unknown[0],
        )
