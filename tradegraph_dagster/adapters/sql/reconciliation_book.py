"""Which sessions are closed, and with how many breaks."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, insert, select, update

from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.tables import AUDIT_ENTRIES, RECONCILIATIONS

_RECORDED = "reconciliation_recorded"


class SqlReconciliationBook:
    """A ReconciliationBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record_reconciliation(self, session: date, *, breaks: int, fingerprint: str) -> None:
        """Store a session's outcome; the same outcome again changes nothing."""
        key = (
            RECONCILIATIONS.c.market == self._ledger.market,
            RECONCILIATIONS.c.session == session,
        )
        outcome = {"breaks": breaks, "fingerprint": fingerprint}
        with self._ledger.writing() as act:
            stored = act.connection.execute(select(RECONCILIATIONS).where(*key)).one_or_none()
            if stored is None:
                row = {"market": self._ledger.market, "session": session, **outcome}
                act.connection.execute(insert(RECONCILIATIONS).values(row))
            elif (stored.breaks, stored.fingerprint) == (breaks, fingerprint):
                return
            else:
                act.connection.execute(update(RECONCILIATIONS).where(*key).values(outcome))
            act.append(_RECORDED, details={"session": session.isoformat(), **outcome})

    def latest(self) -> tuple[date, int] | None:
        """Newest session that was compared, and its number of breaks."""
        with self._ledger.reading() as connection:
            return read_newest_reconciliation(connection, self._ledger.market)

    def compared(self) -> tuple[date, datetime] | None:
        """Newest session that was compared, and when, as the chain has it."""
        market = self._ledger.market
        with self._ledger.reading() as connection:
            newest = read_newest_reconciliation(connection, market)
            if newest is None:
                return None
            query = (
                select(AUDIT_ENTRIES.c.timestamp)
                .where(
                    AUDIT_ENTRIES.c.market == market,
                    AUDIT_ENTRIES.c.event == _RECORDED,
                    AUDIT_ENTRIES.c.details.contains(f'"session":"{newest[0].isoformat()}"'),
                )
                .order_by(AUDIT_ENTRIES.c.seq.desc())
                .limit(1)
            )
            stamp = connection.execute(query).scalar_one_or_none()
        return None if stamp is None else (newest[0], datetime.fromisoformat(stamp))


def read_newest_reconciliation(connection: Connection, market: str) -> tuple[date, int] | None:
    """Newest session that was compared, and its number of breaks, as the connection sees it."""
    query = (
        select(RECONCILIATIONS.c.session, RECONCILIATIONS.c.breaks)
        .where(RECONCILIATIONS.c.market == market)
        .order_by(RECONCILIATIONS.c.session.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.session, row.breaks)
