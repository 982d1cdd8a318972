"""The lake port: frames by table and partition, written whole or not at all.

One store holds one market. A partition is named by its session (`2024-01-05`) or training month
(`2024-01-01`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Protocol

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession, SchemaError, TradeGraphError
from tradegraph_dagster.domain.core.frames import FrameSchema

SESSIONS_A_BATCH = 120
# Half of a write is waiting for the disk, so more can be under way than there are processors.
WRITERS = 4


class FrameStore(Protocol):
    """Where the frames of one market live."""

    def write(self, schema: FrameSchema, partition: date, frame: pl.DataFrame) -> str:
        """Replace one partition atomically and return its content fingerprint.

        Raises:
            SchemaError: The frame does not fit.
            StoreUnavailable: Nothing was written; the old partition, if any, is untouched.
        """
        ...

    def read(self, schema: FrameSchema, partitions: Sequence[date]) -> pl.DataFrame:
        """Concatenate partitions in the order given, checked against the schema.

        One that was stored before its table got a nullable column has nulls in it.

        Raises:
            MissingSession: A partition does not exist.
            CorruptPartition: A file cannot be read or does not fit.
            OtherVersion: It was stored under another version than the schema's.
        """
        ...

    def partitions(self, table: str) -> frozenset[date]:
        """Which partitions of a table exist."""
        ...

    def fingerprint(self, table: str, partition: date) -> str:
        """Content fingerprint recorded when the partition was written."""
        ...

    def remove(self, table: str, partition: date) -> None:
        """Withdraw a partition that must no longer be read; nothing happens if there is none."""
        ...


@dataclass(frozen=True)
class Written:
    """One partition that was written: what the edge reports as a materialisation."""

    partition: date
    rows: int
    fingerprint: str
    facts: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class StepReport:
    """What a step did: the partitions it wrote and those it withheld, each with its reason."""

    written: tuple[Written, ...]
    withheld: Mapping[date, TradeGraphError] = field(default_factory=dict)


def join_reports(
    reports: Sequence[StepReport], refused: Mapping[date, TradeGraphError]
) -> StepReport:
    """The reports of batches as one, with the sessions that were refused before any was begun."""
    withheld = dict(refused)
    for report in reports:
        withheld.update(report.withheld)
    return StepReport(tuple(one for report in reports for one in report.written), withheld)


def split_ready(
    store: FrameStore,
    needs: Mapping[str, Callable[[date], Sequence[date]]],
    sessions: Sequence[date],
    *,
    table: str,
) -> tuple[tuple[date, ...], dict[date, TradeGraphError]]:
    """Part the sessions whose inputs all exist from those that must wait.

    A session that must wait loses the partition it may have from before: nothing can read what no
    longer follows from its inputs, and a backfill makes it again once they are back.

    Args:
        store: Where the inputs are looked up.
        needs: Input table -> the partitions of it that a session needs.
        sessions: Sessions asked for.
        table: The table being made, for the message.
    """
    present = {name: store.partitions(name) for name in needs}
    ready: list[date] = []
    withheld: dict[date, TradeGraphError] = {}
    for session in sessions:
        absent = {
            name: [day for day in window(session) if day not in present[name]]
            for name, window in needs.items()
        }
        absent = {name: days for name, days in absent.items() if days}
        if absent:
            store.remove(table, session)
            withheld[session] = MissingSession(
                "waits for "
                + "; ".join(
                    f"{name} {days[0]}" + (f" and {len(days) - 1} more" if len(days) > 1 else "")
                    for name, days in absent.items()
                ),
                table=table,
                session=session,
            )
        else:
            ready.append(session)
    return tuple(ready), withheld


def batched_sessions(sessions: Sequence[date]) -> Iterator[tuple[date, ...]]:
    """`sessions` in order, a batch at a time: memory grows with the batch, not with history."""
    rest = iter(sessions)
    while batch := tuple(islice(rest, SESSIONS_A_BATCH)):
        yield batch


def write_sessions(
    store: FrameStore,
    schema: FrameSchema,
    frame: pl.DataFrame,
    sessions: Iterable[date],
    facts: Callable[[pl.DataFrame], Mapping[str, float | int | str]] | None = None,
) -> tuple[Written, ...]:
    """Write one partition a session, also for sessions with no rows.

    Raises:
        SchemaError: The rows are not in the order of their sessions, and nothing was written; or a
            partition does not fit, and others may have been written, each of them whole.
        StoreUnavailable: As above.
    """
    parts = _session_slices(frame, schema)

    def write(session: date) -> Written:
        part = parts.get(session, schema.empty())
        fingerprint = store.write(schema, session, part)
        return Written(session, part.height, fingerprint, facts(part) if facts else {})

    with ThreadPoolExecutor(WRITERS) as pool:
        return tuple(pool.map(write, sessions))


def _session_slices(frame: pl.DataFrame, schema: FrameSchema) -> dict[date, pl.DataFrame]:
    """Session -> its rows, as views: nothing is copied."""
    if not frame.get_column("session").is_sorted():
        raise SchemaError("expected rows in the order of their sessions", table=schema.name)
    slices: dict[date, pl.DataFrame] = {}
    start = 0
    for session, rows in frame.group_by("session", maintain_order=True).len().iter_rows():
        slices[session] = frame.slice(start, rows)
        start += rows
    return slices
