"""Which sessions are closed, in memory."""

from __future__ import annotations

from datetime import date


class MemoryReconciliationBook:
    """A ReconciliationBook."""

    def __init__(self) -> None:
        self._breaks: dict[date, int] = {}

    def record_reconciliation(self, session: date, *, breaks: int, fingerprint: str) -> None:
        """Keep a session's outcome."""
        self._breaks[session] = breaks

    def latest(self) -> tuple[date, int] | None:
        """Newest session that was compared, and its number of breaks."""
        return max(self._breaks.items(), default=None)
