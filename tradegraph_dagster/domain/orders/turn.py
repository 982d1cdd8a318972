"""The right to send, and waiting, in one run of the submission.

A lease lets one run send at a time. A process that was stopped for longer than its lease finds out
in two places: the ledger refuses an older token, and the stopwatch says that the lease may have
lapsed between the ledger's permit and the call.
"""

from __future__ import annotations

import contextlib

from tradegraph_dagster.domain.core.errors import StoreError
from tradegraph_dagster.domain.orders.ports import LeaseBook, Stopwatch
from tradegraph_dagster.domain.orders.schema import Lease

LEASE_NAME = "order_submission"


class Turn:
    """A run's lease, kept alive while it works and waits.

    Args:
        leases: The ledger's leases.
        stopwatch: Measures how long the lease still holds, whatever the wall clock does.
        holder: Who this run is; no two runs share it.
        lease_seconds: How long a lease holds unless it is renewed.
        patience_seconds: How long the run waits in all for others; keeping a pace is not waiting
            for anybody.
    """

    def __init__(
        self,
        leases: LeaseBook,
        stopwatch: Stopwatch,
        *,
        holder: str,
        lease_seconds: float,
        patience_seconds: float,
    ) -> None:
        self._leases = leases
        self._stopwatch = stopwatch
        self._holder = holder
        self._seconds = lease_seconds
        self._patience = patience_seconds
        self._lease: Lease | None = None
        self._counted_from = 0.0

    @property
    def lease(self) -> Lease | None:
        """The lease that is held, as far as this run knows."""
        return self._lease

    def begin(self) -> bool:
        """Take the lease; that of a run that died lapses, that of one that lives does not."""
        for _ in range(3):
            if self._acquire():
                return True
            if not self.wait(self._seconds / 2):
                return False
        return self._acquire()

    def keep(self) -> bool:
        """Make sure that the lease holds for a while; False where another run has it now."""
        if self._lease is None:
            return self._acquire()
        if self._age() < self._seconds / 3:
            return True
        asked = self._stopwatch.seconds()
        self._lease = self._leases.renew(self._lease, seconds=self._seconds)
        self._counted_from = asked
        return self._lease is not None or self._acquire()

    def holds(self) -> bool:
        """Whether the lease cannot have lapsed yet."""
        return self._lease is not None and self._age() < self._seconds

    def wait(self, seconds: float) -> bool:
        """Wait and keep the lease; False, without waiting, where patience would not last."""
        if seconds > self._patience:
            return False
        self._patience -= seconds
        return self.pause(seconds)

    def pause(self, seconds: float) -> bool:
        """Wait and keep the lease, whatever patience is left; False where another run has it."""
        while seconds > 0:
            step = min(seconds, self._seconds / 3)
            self._stopwatch.pause(step)
            seconds -= step
            if self._lease is not None and not self.keep():
                return False
        return True

    def end(self) -> None:
        """Give the lease back; where that fails it lapses by itself."""
        if self._lease is not None:
            with contextlib.suppress(StoreError):
                self._leases.release(self._lease)
            self._lease = None

    def _acquire(self) -> bool:
        asked = self._stopwatch.seconds()
        self._lease = self._leases.acquire(LEASE_NAME, self._holder, seconds=self._seconds)
        self._counted_from = asked
        return self._lease is not None

    def _age(self) -> float:
        return self._stopwatch.seconds() - self._counted_from
