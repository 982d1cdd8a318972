"""The dataset steps: write labels, and read features and labels back as a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession, TradeGraphError
from tradegraph_dagster.domain.core.frame_store import (
    StepReport,
    Written,
    split_ready,
    write_sessions,
)
from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.datasets.assemble import frames_to_dataset, rows_to_learn
from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import Dataset, LabelSpan
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

CHUNK_SESSIONS = 250
# Feature rows read at once before those of no member are dropped.
LOAD_SESSIONS = 40


def label_sessions(ws: Workspace, sessions: Sequence[date], *, span: LabelSpan) -> StepReport:
    """Write the labels of each session that, with its entry and its exit, has passed the gates.

    Each horizon has a table of its own, so that a session's short labels wait for no long one, and
    a partition that exists holds labels that are known. No session between entry and exit is waited
    for: no label reads it.

    Args:
        ws: Reads `validated_bars` of each session, of its entry and of its exit.
        sessions: Sessions t to label.
        span: Which closes to read, and so which table to write.

    Returns:
        What was written, and the sessions that wait for one of the three.
    """
    table = span.table
    spans, withheld = _spans(ws, sessions, span)
    ready, waiting = split_ready(
        ws.store, {VALIDATED_BARS.name: spans.__getitem__}, sorted(spans), table=table.name
    )
    written: list[Written] = []
    for start in range(0, len(ready), CHUNK_SESSIONS):
        chunk = ready[start : start + CHUNK_SESSIONS]
        bars = ws.store.read(VALIDATED_BARS, sorted({day for t in chunk for day in spans[t]}))
        labels = bars_to_labels(
            bars, sessions=chunk, calendar=ws.calendar, span=span, market=ws.market
        )
        written += write_sessions(ws.store, table, labels, chunk, _facts)
    return StepReport(tuple(written), withheld | waiting)


def load_dataset(
    ws: Workspace, feature_set: FeatureSet, sessions: Sequence[date], *, span: LabelSpan
) -> Dataset:
    """Read the rows to learn from or to judge by.

    Args:
        ws: Reads `features`, the span's labels and `universe` of the sessions.
        feature_set: Which features the lake holds.
        sessions: Sessions to read.
        span: Whose labels to read.

    Raises:
        MissingSession: A session has no features, labels or universe yet.
        CorruptPartition: The stored features are of another set.
    """
    days = sorted(sessions)
    labels, universe = ws.store.read(span.table, days), ws.store.read(UNIVERSE, days)
    keys = rows_to_learn(labels, universe, days).select(SESSION_SYMBOL)
    parts = [feature_set.schema.empty()]
    for start in range(0, len(days), LOAD_SESSIONS):
        part = ws.store.read(feature_set.schema, days[start : start + LOAD_SESSIONS])
        parts.append(part.join(keys, on=SESSION_SYMBOL, how="semi"))
    return frames_to_dataset(pl.concat(parts), labels, universe, feature_set, days)


def _spans(
    ws: Workspace, sessions: Sequence[date], span: LabelSpan
) -> tuple[dict[date, tuple[date, ...]], dict[date, TradeGraphError]]:
    """What each session's label reads, and the sessions whose exit the calendar does not know."""
    spans, withheld = {}, {}
    for session in sessions:
        try:
            spans[session] = span.sessions(ws.calendar, session)
        except MissingSession as error:
            withheld[session] = error
    return spans, dict(withheld)


def _facts(labels: pl.DataFrame) -> Mapping[str, int]:
    return {
        "labelled": labels.height - labels.get_column("label").null_count(),
        "not_tradable": int((~labels.get_column("is_entry_tradable")).sum()),
    }
