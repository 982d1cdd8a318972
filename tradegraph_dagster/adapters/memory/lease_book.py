"""Who may send, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import RLock

from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.orders.bookkeeping import next_lease
from tradegraph_dagster.domain.orders.schema import Lease


class MemoryLeaseBook:
    """A LeaseBook.

    Args:
        leases: Name -> its newest lease; the last look reads them, too.
        lock: Who holds it is in a transaction.
        clock: What leases age by.
    """

    def __init__(self, leases: dict[str, Lease], lock: RLock, clock: Clock) -> None:
        self._leases = leases
        self._lock = lock
        self._clock = clock

    def acquire(self, name: str, holder: str, *, seconds: float) -> Lease | None:
        """A new lease, or None while somebody else holds one."""
        with self._lock:
            newest, now = self._leases.get(name), self._clock.now()
            lease = next_lease(newest, name, holder, seconds=seconds, now=now)
            if lease is not None:
                self._leases[name] = lease
            return lease

    def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
        """The lease with a later end; None where it was lost or has lapsed."""
        with self._lock:
            newest, now = self._leases.get(lease.name), self._clock.now()
            if newest is None or newest.token != lease.token or newest.expires_at <= now:
                return None
            self._leases[lease.name] = replace(newest, expires_at=now + timedelta(seconds=seconds))
            return self._leases[lease.name]

    def release(self, lease: Lease) -> None:
        """Give it back early."""
        with self._lock:
            newest = self._leases.get(lease.name)
            if newest is not None and newest.token == lease.token:
                self._leases[lease.name] = replace(newest, expires_at=self._clock.now())
