"""Truncation repeated on the bars of the lake: what the generated markets may not have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.causality import (
    CausalityReport,
    Check,
    FrameCase,
    judge_frames,
)
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.inputs import read_inputs, stored_inputs
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace

NEWEST_SESSIONS = 5


def audit_newest_sessions(
    ws: Workspace, feature_set: FeatureSet, *, count: int = NEWEST_SESSIONS
) -> CausalityReport:
    """Compute the newest sessions of the lake with their future withheld, and with it there.

    Only sessions whose whole window is validated are taken. Nothing is written.

    Args:
        ws: Reads `validated_bars`, and `instruments` for a set that compares them.
        feature_set: What to audit.
        count: Sessions to compare; the newest is the future of the others, and is not compared.

    Returns:
        What moved; `compared` is empty where fewer than two sessions have their bars.
    """
    length = feature_set.lookback + 1
    # Sessions that have all that the set reads.
    present = frozenset.intersection(*stored_inputs(ws, feature_set).values())
    newest = [
        day
        for day in (ws.trailing(max(present), count + 1) if present else ())
        if present.issuperset(ws.trailing(day, length))
    ]
    audited = newest[:-1]
    if not audited:
        return CausalityReport(feature_set.name, {}, ())
    through = ws.calendar.between(ws.trailing(audited[0], length)[0], newest[-1])
    bars = read_inputs(ws, feature_set, [day for day in through if day in present])
    # Asked for the newest too: the window of the others goes on after them.
    whole = _features(ws, feature_set, bars, newest)
    cases = [
        FrameCase(
            check=Check.TRUNCATION,
            change=f"bars after {day} withheld",
            expected=whole.filter(pl.col("session") == day),
            found=_features(ws, feature_set, _window(ws, bars, day, length), [day]),
        )
        for day in audited
    ]
    return judge_frames(feature_set.name, cases)


def _window(ws: Workspace, bars: pl.DataFrame, session: date, length: int) -> pl.DataFrame:
    return bars.filter(pl.col("session").is_between(ws.trailing(session, length)[0], session))


def _features(
    ws: Workspace, feature_set: FeatureSet, bars: pl.DataFrame, sessions: Sequence[date]
) -> pl.DataFrame:
    return bars_to_features(
        bars,
        feature_set,
        sessions=sessions,
        calendar=ws.calendar,
        history_begins=ws.first_session,
    )
