"""The lake in a dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.fingerprint import frame_fingerprint
from tradegraph_dagster.domain.core.frames import (
    FrameSchema,
    check_frame,
    fill_absent,
    require_version,
)


class MemoryFrameStore:
    """A FrameStore that forgets everything with the process."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, date], pl.DataFrame] = {}
        self._versions: dict[tuple[str, date], str] = {}

    def write(self, schema: FrameSchema, partition: date, frame: pl.DataFrame) -> str:
        """Keep a checked frame."""
        self._frames[schema.name, partition] = check_frame(frame, schema)
        self._versions[schema.name, partition] = schema.version
        return frame_fingerprint(frame)

    def read(self, schema: FrameSchema, partitions: Sequence[date]) -> pl.DataFrame:
        """Concatenate partitions in the order given."""
        for partition in partitions:
            if (schema.name, partition) not in self._frames:
                raise MissingSession("not in the store", table=schema.name, session=partition)
            if schema.version:
                found = self._versions.get((schema.name, partition), "")
                require_version(schema, partition, found)
        frames = [fill_absent(self._frames[schema.name, day], schema) for day in partitions]
        return pl.concat([schema.empty(), *frames])

    def partitions(self, table: str) -> frozenset[date]:
        """Which partitions of a table exist."""
        return frozenset(partition for name, partition in self._frames if name == table)

    def fingerprint(self, table: str, partition: date) -> str:
        """Content fingerprint of a partition."""
        return frame_fingerprint(self._frames[table, partition])

    def remove(self, table: str, partition: date) -> None:
        """Forget a partition."""
        self._frames.pop((table, partition), None)
        self._versions.pop((table, partition), None)
