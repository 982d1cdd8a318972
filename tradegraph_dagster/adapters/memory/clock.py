"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import datetime, timedelta


class FixedClock:
    """Says the instant it was given."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        """The instant, time zone UTC."""
        return self.instant

    def advance(self, by: timedelta) -> None:
        """Move forward."""
        self.instant += by
