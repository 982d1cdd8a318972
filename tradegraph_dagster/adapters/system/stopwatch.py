"""The machine's monotonic time, and waiting in it."""

from __future__ import annotations

import time


class SystemStopwatch:
    """A Stopwatch: no change of the wall clock moves it.

    Where the system counts the time that it was suspended, as Linux does, that counts here too: a
    lease lapses while a machine sleeps.
    """

    def seconds(self) -> float:
        """Seconds since some fixed instant."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
