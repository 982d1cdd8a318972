"""What the audit stage needs from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tradegraph_dagster.domain.audit.schema import AuditEntry


class AuditLog(Protocol):
    """The append-only chain of one market."""

    def append(self, event: str, *, user: str, details: Mapping[str, Any]) -> AuditEntry:
        """Append one entry in its own transaction."""
        ...

    def entries(self) -> Iterator[AuditEntry]:
        """All entries in order, streamed."""
        ...

    def head(self) -> AuditEntry | None:
        """The newest entry."""
        ...
