"""What is missing from the lake, as ranges of sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from tradegraph_dagster.domain.core.frame_store import FrameStore

# One run a quarter of a thousand sessions keeps memory flat and progress visible.
SESSIONS_A_RUN = 250


def missing_ranges(
    store: FrameStore,
    tables: Sequence[str],
    sessions: Sequence[date],
    *,
    longest: int = SESSIONS_A_RUN,
    remake: bool = False,
) -> Iterator[tuple[date, ...]]:
    """Contiguous runs of sessions of which some table is missing, none longer than `longest`.

    With `remake` every session counts as missing.
    """
    present = [store.partitions(table) for table in tables]
    chunk: list[date] = []
    for session in sessions:
        is_missing = remake or any(session not in partitions for partitions in present)
        if chunk and (not is_missing or len(chunk) == longest):
            yield tuple(chunk)
            chunk = []
            # What a run corrects withdraws later sessions that were there.
            present = [store.partitions(table) for table in tables]
        if is_missing:
            chunk.append(session)
    if chunk:
        yield tuple(chunk)


def complete_sessions(store: FrameStore, tables: Sequence[str]) -> frozenset[date]:
    """Sessions of which every table is in the lake."""
    return frozenset.intersection(*(store.partitions(table) for table in tables))
