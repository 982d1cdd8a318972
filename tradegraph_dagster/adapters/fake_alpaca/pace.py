"""The rate limit: so many requests at once, and as many a minute."""

from __future__ import annotations

import math

from tradegraph_dagster.adapters.fake_alpaca.wire import SECOND

MINUTE_S = 60.0


class Pace:
    """A token bucket on the clock of its account.

    The vendor gives a limit, the number left and when it starts afresh; how it counts in between
    is not known. Here a full bucket is a minute's requests, and `reset` is when it is full again.
    """

    def __init__(self) -> None:
        self._spent = 0.0
        self._seen_at = 0

    def take(self, now: int, per_minute: int) -> tuple[bool, dict[str, str]]:
        """Whether a request at an instant is within the limit, and the headers that say so.

        Args:
            now: Nanoseconds since the epoch.
            per_minute: The limit.
        """
        rate = per_minute / MINUTE_S
        passed = max(now - self._seen_at, 0) / SECOND
        self._spent = max(self._spent - passed * rate, 0.0)
        self._seen_at = max(now, self._seen_at)
        is_allowed = self._spent + 1.0 <= per_minute
        if is_allowed:
            self._spent += 1.0
        left = math.floor(per_minute - self._spent)
        return is_allowed, {
            "X-RateLimit-Limit": str(per_minute),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(math.ceil(now / SECOND + self._spent / rate)),
        }
