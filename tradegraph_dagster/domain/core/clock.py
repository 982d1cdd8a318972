"""The clock port. Nothing in the domain reads the wall clock in any other way."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The current instant, time zone UTC."""
        ...
