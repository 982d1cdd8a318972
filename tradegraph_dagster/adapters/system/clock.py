"""The wall clock; the only place that reads it."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, time zone UTC."""
        return datetime.now(tz=UTC)  # noqa: TID251
