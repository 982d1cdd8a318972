"""How fast a run calls the broker: at most so many calls in any second and in any minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Pace:
    """The newest calls of a run, in the time of its stopwatch.

    Args:
        max_per_second: Calls in any second.
        max_per_minute: Calls in any minute.
        calls: When earlier calls began.
    """

    def __init__(
        self, *, max_per_second: int, max_per_minute: int, calls: Iterable[float] = ()
    ) -> None:
        self._limits = ((1.0, max_per_second), (60.0, max_per_minute))
        self._calls = deque(sorted(calls), maxlen=max(max_per_second, max_per_minute))

    def delay(self, now: float) -> float:
        """Seconds until the next call may begin; 0 where it may now."""
        waits = (
            self._calls[-most] + window - now
            for window, most in self._limits
            if len(self._calls) >= most
        )
        return max(0.0, max(waits, default=0.0))

    def count(self, now: float) -> None:
        """A call begins."""
        self._calls.append(now)
