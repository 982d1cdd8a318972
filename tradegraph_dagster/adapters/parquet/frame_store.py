"""The lake as Parquet files: `<root>/<table>/<partition>.parquet`.

A file is written beside its final name, flushed and renamed, so a reader sees the old content or
the new, never a half. The content fingerprint and the schema's version are kept in the file's own
metadata.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl

from tradegraph_dagster.domain.core.errors import (
    CorruptPartition,
    MissingSession,
    SchemaError,
    StoreUnavailable,
)
from tradegraph_dagster.domain.core.fingerprint import frame_fingerprint
from tradegraph_dagster.domain.core.frames import (
    FrameSchema,
    check_frame,
    fill_absent,
    require_version,
)

# Higher levels of zstd save 1 % of the space and take a third more time.
COMPRESSION_LEVEL = 1
_FINGERPRINT_KEY = "tradegraph_fingerprint"
_VERSION_KEY = "tradegraph_version"
# A writer's temporary file begins with a dot and is no partition.
_PARTITION = re.compile(r"\d{4}-\d\d-\d\d\.parquet")


class ParquetFrameStore:
    """A FrameStore of one market in a local folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, schema: FrameSchema, partition: date, frame: pl.DataFrame) -> str:
        """Replace one partition; a partition that already holds this content is left alone."""
        check_frame(frame, schema)
        fingerprint = frame_fingerprint(frame)
        path = self._path(schema.name, partition)
        if path.exists() and self._holds(schema, partition, fingerprint):
            return fingerprint
        # Containers that share a lake share process numbers, too.
        temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                frame.write_parquet(
                    file,
                    compression="zstd",
                    compression_level=COMPRESSION_LEVEL,
                    # A file is one session: nobody skips a part of it by its statistics.
                    statistics=False,
                    metadata={_FINGERPRINT_KEY: fingerprint, _VERSION_KEY: schema.version},
                )
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        # Polars reports a disk that fills up while it encodes as its own ComputeError.
        except (OSError, pl.exceptions.PolarsError) as error:
            with suppress(OSError):
                temporary.unlink()
            raise StoreUnavailable(
                f"cannot write {path}: {error}; nothing was changed, "
                "free space or mend the folder and run again",
                table=schema.name,
                session=partition,
            ) from error
        return fingerprint

    def read(self, schema: FrameSchema, partitions: Sequence[date]) -> pl.DataFrame:
        """Concatenate partitions in the order given, checked against the schema."""
        paths = [self._path(schema.name, day) for day in partitions]
        self._require_versions(schema, partitions)
        if len(paths) > 1 and _is_ascending(partitions):
            # One call reads many files in parallel; it cannot say which one is bad, so any trouble
            # goes on to the files one by one, which can.
            with suppress(OSError, pl.exceptions.PolarsError, SchemaError):
                return check_frame(fill_absent(pl.read_parquet(paths), schema), schema)
        return pl.concat([schema.empty(), *(self._read_one(schema, day) for day in partitions)])

    def partitions(self, table: str) -> frozenset[date]:
        """Which partitions of a table exist."""
        folder = self._root / table
        if not folder.is_dir():
            return frozenset()
        names = [path.name for path in folder.iterdir()]
        return frozenset(
            date.fromisoformat(name.removesuffix(".parquet"))
            for name in names
            if _PARTITION.fullmatch(name)
        )

    def fingerprint(self, table: str, partition: date) -> str:
        """Content fingerprint written with the partition."""
        path = self._path(table, partition)
        if not path.exists():
            raise MissingSession(f"no file {path}", table=table, session=partition)
        return (_notes(path) or {}).get(_FINGERPRINT_KEY, "")

    def remove(self, table: str, partition: date) -> None:
        """Delete a partition's file."""
        self._path(table, partition).unlink(missing_ok=True)

    def _path(self, table: str, partition: date) -> Path:
        return self._root / table / f"{partition.isoformat()}.parquet"

    def _read_one(self, schema: FrameSchema, partition: date) -> pl.DataFrame:
        path = self._path(schema.name, partition)
        if not path.exists():
            raise MissingSession(
                f"no file {path}; materialise it first", table=schema.name, session=partition
            )
        try:
            return check_frame(fill_absent(pl.read_parquet(path), schema), schema)
        except (OSError, pl.exceptions.PolarsError, SchemaError) as error:
            raise CorruptPartition(
                f"cannot use {path}: {error}; materialise the partition again",
                table=schema.name,
                session=partition,
            ) from error

    def _holds(self, schema: FrameSchema, partition: date, fingerprint: str) -> bool:
        """Whether the file says so and its content bears it out; a damaged file does not."""
        notes = _notes(self._path(schema.name, partition)) or {}
        if notes.get(_FINGERPRINT_KEY) != fingerprint:
            return False
        if notes.get(_VERSION_KEY, "") != schema.version:
            return False
        with suppress(CorruptPartition):
            return frame_fingerprint(self._read_one(schema, partition)) == fingerprint
        return False

    def _require_versions(self, schema: FrameSchema, partitions: Sequence[date]) -> None:
        for day in partitions if schema.version else ():
            # A file that is missing or unreadable is for the reading itself to name.
            notes = _notes(self._path(schema.name, day))
            if notes is not None:
                require_version(schema, day, notes.get(_VERSION_KEY, ""))


def _notes(path: Path) -> dict[str, str] | None:
    """A file's own metadata; None where it cannot be read."""
    try:
        return pl.read_parquet_metadata(path)
    except (OSError, pl.exceptions.PolarsError):
        return None


def _is_ascending(partitions: Sequence[date]) -> bool:
    return all(before < after for before, after in itertools.pairwise(partitions))
