"""What the audit stage needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from tradegraph_dagster.domain.audit.schema import AuditEntry, JournalLine


class AuditLog(Protocol):
    """The append-only chain of one market."""

    def append(self, event: str, *, user: str, details: Mapping[str, Any]) -> AuditEntry:
        """Append one entry in its own transaction."""
        ...

    def entries(self, first: int = 0) -> Iterator[AuditEntry]:
        """Entries from `seq` first on, in order, streamed; all that are stored for 0."""
        ...

    def head(self) -> AuditEntry | None:
        """The newest entry."""
        ...


class CheckpointJournal(Protocol):
    """Checkpoints of one market's chain, kept where its writer cannot change them."""

    def lines(self) -> Sequence[JournalLine]:
        """All lines in stored order; one that cannot be read is left out.

        Where it is the last one, and no crash explains it, UNREADABLE_LINE stands for it: no later
        line shows that it was there.
        """
        ...

    def extend(self, make: Callable[[Sequence[JournalLine]], Sequence[JournalLine]]) -> None:
        """Append what `make` makes of the lines that are there, while nobody else can append.

        Raises:
            StoreUnavailable: They may not be there; publishing again is safe.
        """
        ...
