"""A stopwatch that only waiting moves, and the clock beside it."""

from __future__ import annotations

from datetime import timedelta

from tradegraph_dagster.adapters.memory.clock import FixedClock


class MemoryStopwatch:
    """A Stopwatch that waits without losing time; a clock that is given moves along."""

    def __init__(self, clock: FixedClock | None = None) -> None:
        self.waited = 0.0
        self._clock = clock

    def seconds(self) -> float:
        """Seconds waited so far."""
        return self.waited

    def pause(self, seconds: float) -> None:
        """Count the seconds, and move the clock."""
        self.waited += seconds
        if self._clock is not None:
            self._clock.advance(timedelta(seconds=seconds))
