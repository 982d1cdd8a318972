"""What a person must look at, until one has."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from tradegraph_dagster.adapters.sql.audit_log import LONGEST_ACTOR, Ledger
from tradegraph_dagster.adapters.sql.fill_book import book_executions
from tradegraph_dagster.adapters.sql.incident_rows import raise_incident, read_open_incidents
from tradegraph_dagster.adapters.sql.tables import INCIDENTS
from tradegraph_dagster.domain.core.texts import fitting_id
from tradegraph_dagster.domain.orders.bookkeeping import check_acknowledgement, not_open
from tradegraph_dagster.domain.orders.schema import Booking, Incident


class SqlIncidentBook:
    """An IncidentBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def raise_incidents(self, incidents: Sequence[Incident]) -> int:
        """Store those that do not stand open already; returns how many were new."""
        with self._ledger.writing() as act:
            return sum(raise_incident(act, incident, again=True) for incident in incidents)

    def open_incidents(self) -> Sequence[Incident]:
        """Those that nobody has acknowledged, oldest first."""
        with self._ledger.reading() as connection:
            return read_open_incidents(connection, self._ledger.market)

    def acknowledge(
        self, incident_id: str, *, actor: str, reason: str, bookings: Sequence[Booking] = ()
    ) -> None:
        """Close one, with the bookings that adopt the broker's word."""
        check_acknowledgement(actor, reason)
        who, why = fitting_id(actor, LONGEST_ACTOR), self._ledger.clean(reason)
        statement = (
            update(INCIDENTS)
            .where(
                INCIDENTS.c.market == self._ledger.market,
                INCIDENTS.c.incident_id == incident_id,
                INCIDENTS.c.acknowledged_at.is_(None),
            )
            .values(
                acknowledged_at=self._ledger.clock.now(),
                acknowledged_by=who,
                acknowledged_reason=why,
            )
        )
        with self._ledger.writing() as act:
            if act.connection.execute(statement).rowcount != 1:
                raise not_open(incident_id)
            book_executions(act, [], bookings)
            details = {
                "incident_id": incident_id,
                "reason": why,
                "bookings": [booking.booking_id for booking in bookings],
            }
            act.append("incident_acknowledged", user=who, details=details)
