"""The audit chain in a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tradegraph_dagster.domain.audit.chain import next_entry
from tradegraph_dagster.domain.audit.schema import AuditEntry
from tradegraph_dagster.domain.core.clock import Clock

GENESIS_EVENT = "genesis"


class MemoryAuditLog:
    """An AuditLog that forgets everything with the process; its first entry names the market."""

    def __init__(self, *, market: str, clock: Clock, key: bytes) -> None:
        self._market = market
        self._clock = clock
        self._key = key
        self._entries: list[AuditEntry] = []

    def append(self, event: str, *, user: str, details: Mapping[str, Any]) -> AuditEntry:
        """Append one entry."""
        if not self._entries:
            genesis = {"market": self._market, "format": "tg-audit-v1"}
            self._entries.append(self._next(GENESIS_EVENT, "system", genesis))
        self._entries.append(self._next(event, user, details))
        return self._entries[-1]

    def entries(self) -> Iterator[AuditEntry]:
        """All entries in order."""
        return iter(tuple(self._entries))

    def head(self) -> AuditEntry | None:
        """The newest entry."""
        return self._entries[-1] if self._entries else None

    def _next(self, event: str, user: str, details: Mapping[str, Any]) -> AuditEntry:
        return next_entry(
            self.head(),
            event=event,
            user=user,
            details=details,
            at=self._clock.now(),
            key=self._key,
        )
