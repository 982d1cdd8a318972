"""Checkpoints of an audit chain in a file: one line each, only ever appended.

The folder belongs on another disk, a mounted write-once share, or a checkout that is pushed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO

from tradegraph_dagster.domain.audit.schema import UNREADABLE_LINE, JournalLine
from tradegraph_dagster.domain.core.errors import StoreUnavailable

_TYPES = {field.name: int if field.name == "entries" else str for field in fields(JournalLine)}


class JsonlCheckpointJournal:
    """A CheckpointJournal in `path`; the file is made when the first line is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> Sequence[JournalLine]:
        """All lines that can be read, in order; a line that a crash cut short is none.

        UNREADABLE_LINE ends them where the last one is there and cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                return _parse_lines(file)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unavailable(error) from error

    def extend(self, make: Callable[[Sequence[JournalLine]], Sequence[JournalLine]]) -> None:
        """Append what `make` makes of the lines; processes take turns by a lock on the file."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._append(file, make(_parse_lines(file)))
        except OSError as error:
            raise self._unavailable(error) from error

    def _append(self, file: IO[bytes], lines: Sequence[JournalLine]) -> None:
        if not lines:
            return
        text = "".join(f"{_to_text(line)}\n" for line in lines)
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            # What a crash cut short must not swallow the next line.
            text = text if file.read(1) == b"\n" else f"\n{text}"
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"audit checkpoints at {self._path}: {error}; mount or free the place, run again"
        )


def _parse_lines(file: IO[bytes]) -> Sequence[JournalLine]:
    file.seek(0)
    *ended, tail = file.read().split(b"\n")
    # What a crash cut short has neither an end of line nor the brace before it.
    parsed = [_parse(raw) for raw in (*ended, tail if b"}" in tail else b"") if raw]
    lines = [line for line in parsed if line is not None]
    # A lost line further up is missed by the one that follows it; nothing follows the last one.
    return (*lines, UNREADABLE_LINE) if parsed and parsed[-1] is None else tuple(lines)


def _parse(raw: bytes) -> JournalLine | None:
    try:
        text = raw.decode()
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = {name: type(value) for name, value in content.items()} if type(content) is dict else {}
    if found != _TYPES:
        return None
    line = JournalLine(**content)
    return line if _to_text(line) == text else None


def _to_text(line: JournalLine) -> str:
    return json.dumps(asdict(line), separators=(",", ":"))
