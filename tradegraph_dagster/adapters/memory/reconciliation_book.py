"""Which sessions are closed, in memory."""

from __future__ import annotations

from datetime import date, datetime

from tradegraph_dagster.domain.core.clock import Clock


class MemoryReconciliationBook:
    """A ReconciliationBook.

    Args:
        clock: Says when a session was compared.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outcomes: dict[date, tuple[int, str]] = {}
        self._at: dict[date, datetime] = {}

    def record_reconciliation(self, session: date, *, breaks: int, fingerprint: str) -> None:
        """Keep a session's outcome."""
        if self._outcomes.get(session) != (breaks, fingerprint):
            self._outcomes[session] = (breaks, fingerprint)
            self._at[session] = self._clock.now()

    def latest(self) -> tuple[date, int] | None:
        """Newest session that was compared, and its number of breaks."""
        newest = max(self._outcomes, default=None)
        return None if newest is None else (newest, self._outcomes[newest][0])

    def compared(self) -> tuple[date, datetime] | None:
        """Newest session that was compared, and when."""
        newest = max(self._at, default=None)
        return None if newest is None else (newest, self._at[newest])
