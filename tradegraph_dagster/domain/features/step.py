"""The feature step: read each session's window, compute, write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frame_store import (
    StepReport,
    Written,
    split_ready,
    write_sessions,
)
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.inputs import keep_inputs, read_inputs
from tradegraph_dagster.domain.features.schema import FEATURES, FeatureSet
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

LONGEST_CHUNK_SESSIONS = 250
# Values held at once, 4 bytes each; the frame made of them costs as much again.
CHUNK_VALUES = 80_000_000


def compute_features(
    ws: Workspace, feature_set: FeatureSet, sessions: Sequence[date], *, threads: int = 1
) -> StepReport:
    """Write the features of each session whose whole window is validated.

    Args:
        ws: Reads `validated_bars` of the session and of `feature_set.lookback` sessions before it,
            fewer at the start of the history. The range is worked off in chunks that fit in memory;
            each chunk reads each of its partitions once. For a set that compares instruments also
            `instruments` of the same sessions.
        feature_set: What to compute.
        sessions: Sessions to compute.
        threads: Threads to compute with; the numbers are the same for any.

    Returns:
        What was written, each with its share of missing values and the set's version, and the
        sessions that wait for one of their window.
    """
    rows_read = feature_set.lookback + 1
    read = (VALIDATED_BARS, INSTRUMENTS) if feature_set.across else (VALIDATED_BARS,)
    needs = {schema.name: lambda day: ws.trailing(day, rows_read) for schema in read}
    ready, withheld = split_ready(ws.store, needs, sessions, table=FEATURES)
    written: list[Written] = []
    for chunk in _chunks(ws, feature_set, sorted(ready)):
        window = sorted({day for session in chunk for day in ws.trailing(session, rows_read)})
        bars = read_inputs(ws, feature_set, window)
        features = bars_to_features(
            bars,
            feature_set,
            sessions=chunk,
            calendar=ws.calendar,
            history_begins=ws.first_session,
            threads=threads,
        )
        made = write_sessions(
            ws.store, feature_set.schema, features, chunk, lambda part: _facts(part, feature_set)
        )
        keep_inputs(ws, bars, made, lookback=feature_set.lookback)
        written += made
    return StepReport(tuple(written), withheld)


def _chunks(
    ws: Workspace, feature_set: FeatureSet, sessions: Sequence[date]
) -> Iterator[list[date]]:
    """Sessions in order, cut where a chunk is large enough or a gap is longer than the lookback."""
    if not sessions:
        return
    newest_rows = ws.store.read(VALIDATED_BARS, [sessions[-1]]).height
    values_a_session = max(1, newest_rows * len(feature_set.definitions))
    longest = min(LONGEST_CHUNK_SESSIONS, max(1, CHUNK_VALUES // values_a_session))
    chunk = [sessions[0]]
    for session in sessions[1:]:
        is_far = _distance(ws.calendar, chunk[-1], session) > feature_set.lookback
        if is_far or len(chunk) >= longest:
            yield chunk
            chunk = []
        chunk.append(session)
    yield chunk


def _distance(calendar: SessionCalendar, earlier: date, later: date) -> int:
    return len(calendar.between(earlier, later)) - 1


def _facts(features: pl.DataFrame, feature_set: FeatureSet) -> Mapping[str, float | str]:
    values = features.select(list(feature_set.definitions)).to_numpy()
    missing = float(np.isnan(values).mean()) if values.size else 0.0
    return {"missing_frac": round(missing, 6), "feature_set": feature_set.version}
