"""The lock of one market's live trading."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select

from tradegraph_dagster.adapters.sql.access_tables import LIVE_LOCK
from tradegraph_dagster.adapters.sql.audit_log import LONGEST_ACTOR, Ledger
from tradegraph_dagster.domain.access.schema import LiveLease
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.texts import fitting_id


class SqlLiveLockBook:
    """A LiveLockBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def lease(self) -> LiveLease | None:
        """The newest arming, lapsed or not."""
        with self._ledger.reading() as connection:
            return read_live_lease(connection, self._ledger.market)

    def arm(self, lease: LiveLease, *, reason: str) -> None:
        """Store it in place of the one before."""
        if lease.market != self._ledger.market:
            raise InvariantBroken(f"this lock is of {self._ledger.market}, found {lease.market}")
        with self._ledger.writing() as act:
            _remove(act.connection, lease.market)
            act.connection.execute(insert(LIVE_LOCK).values(asdict(lease)))
            details = {
                "host": lease.host,
                "account": lease.account,
                "expires_at": lease.expires_at.isoformat(),
                "reason": self._ledger.clean(reason),
            }
            act.append("live_armed", user=lease.armed_by, details=details)

    def disarm(self, *, actor: str, reason: str) -> None:
        """Remove it; nothing happens where there is none."""
        with self._ledger.writing() as act:
            lease = read_live_lease(act.connection, self._ledger.market)
            if lease is None:
                return
            _remove(act.connection, lease.market)
            details = {
                "host": lease.host,
                "account": lease.account,
                "reason": self._ledger.clean(reason),
            }
            act.append("live_disarmed", user=fitting_id(actor, LONGEST_ACTOR), details=details)


def read_live_lease(connection: Connection, market: str) -> LiveLease | None:
    """The lease that the connection sees."""
    row = connection.execute(select(LIVE_LOCK).where(LIVE_LOCK.c.market == market)).one_or_none()
    return None if row is None else LiveLease(**row._asdict())


def _remove(connection: Connection, market: str) -> None:
    connection.execute(delete(LIVE_LOCK).where(LIVE_LOCK.c.market == market))
