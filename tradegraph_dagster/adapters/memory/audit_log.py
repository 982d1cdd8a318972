"""The audit chain in a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tradegraph_dagster.domain.audit.chain import genesis_entry, next_entry
from tradegraph_dagster.domain.audit.schema import AuditEntry
from tradegraph_dagster.domain.core.clock import Clock


class MemoryAuditLog:
    """An AuditLog that forgets everything with the process; its first entry names the market."""

    def __init__(self, *, market: str, clock: Clock, key: bytes) -> None:
        self._market = market
        self._clock = clock
        self._key = key
        self._entries: list[AuditEntry] = []

    def append(self, event: str, *, user: str, details: Mapping[str, Any]) -> AuditEntry:
        """Append one entry."""
        now = self._clock.now()
        if not self._entries:
            self._entries.append(genesis_entry(self._market, at=now, key=self._key))
        entry = next_entry(
            self.head(), event=event, user=user, details=details, at=now, key=self._key
        )
        self._entries.append(entry)
        return entry

    def entries(self, first: int = 0) -> Iterator[AuditEntry]:
        """Entries in order."""
        return islice(tuple(self._entries), first, None)

    def head(self) -> AuditEntry | None:
        """The newest entry."""
        return self._entries[-1] if self._entries else None
