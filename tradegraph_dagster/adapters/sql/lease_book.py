"""Who may send: one holder of a name at a time, fenced by a rising token."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta

from sqlalchemy import Connection, insert, select, update

from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.tables import LEASES
from tradegraph_dagster.domain.orders.bookkeeping import next_lease
from tradegraph_dagster.domain.orders.schema import Lease

_COLUMNS = [column for column in LEASES.columns if column.name != "market"]


class SqlLeaseBook:
    """A LeaseBook of one market.

    All leases of a database age by its own clock, whatever the clocks of those who use it say. A
    lease that is taken or given back is an act; one that goes on is not, and has no audit entry.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def acquire(self, name: str, holder: str, *, seconds: float) -> Lease | None:
        """A new lease, or None while somebody else holds one."""
        with self._ledger.writing() as act:
            newest = read_lease(act.connection, self._ledger.market, name)
            now = act.lease_time()
            lease = next_lease(newest, name, holder, seconds=seconds, now=now)
            if lease is None:
                return None
            if newest is None:
                row = {"market": self._ledger.market, **asdict(lease)}
                act.connection.execute(insert(LEASES).values(row))
            else:
                self._update(act.connection, lease)
            act.append("lease_acquired", details=lease_details(lease))
            return lease

    def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
        """The lease with a later end; None where it was lost or has lapsed."""
        with self._ledger.writing() as act:
            newest = read_lease(act.connection, self._ledger.market, lease.name)
            now = act.lease_time()
            if newest is None or newest.token != lease.token or newest.expires_at <= now:
                return None
            renewed = replace(newest, expires_at=now + timedelta(seconds=seconds))
            self._update(act.connection, renewed)
            return renewed

    def release(self, lease: Lease) -> None:
        """Give it back early; its token stays, so that the next one is higher."""
        with self._ledger.writing() as act:
            newest = read_lease(act.connection, self._ledger.market, lease.name)
            if newest is None or newest.token != lease.token:
                return
            self._update(act.connection, replace(newest, expires_at=act.lease_time()))
            act.append("lease_released", details=lease_details(newest))

    def _update(self, connection: Connection, lease: Lease) -> None:
        connection.execute(
            update(LEASES)
            .where(LEASES.c.market == self._ledger.market, LEASES.c.name == lease.name)
            .values(asdict(lease))
        )


def read_lease(connection: Connection, market: str, name: str) -> Lease | None:
    """The newest lease of a name that the connection sees."""
    query = select(*_COLUMNS).where(LEASES.c.market == market, LEASES.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else Lease(**row._asdict())


def lease_details(lease: Lease) -> dict[str, str | int]:
    """What an audit entry says of a lease; a name with `token` in it would be taken out."""
    return {"lease": lease.name, "holder": lease.holder, "fence": lease.token}
