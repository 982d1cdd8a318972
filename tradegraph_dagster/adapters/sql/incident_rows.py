"""Incidents as rows: raised in the transaction of what brought them to light."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from tradegraph_dagster.adapters.sql.audit_log import Act
from tradegraph_dagster.adapters.sql.tables import INCIDENTS
from tradegraph_dagster.domain.core.texts import fitting_id
from tradegraph_dagster.domain.orders.schema import Incident, IncidentKind

_FIELDS = tuple(Incident.__dataclass_fields__)
# What the columns hold; a broker's names may be longer.
_LONGEST = {"incident_id": 255, "reference": 255, "symbol": 32}


def raise_incident(act: Act, incident: Incident, *, again: bool) -> bool:
    """Store an incident with its audit entry, unless it stands open already.

    Args:
        act: The transaction.
        incident: What a person must look at.
        again: Whether it is raised also where a person acknowledged the very same before.

    Returns:
        Whether it was stored.
    """
    market = act.ledger.market
    cleaned = {
        **asdict(incident),
        **{name: fitting_id(getattr(incident, name), most) for name, most in _LONGEST.items()},
        "kind": incident.kind.value,
        "expected": act.ledger.clean(incident.expected),
        "found": act.ledger.clean(incident.found),
    }
    query = select(INCIDENTS.c.acknowledged_at, INCIDENTS.c.found).where(
        INCIDENTS.c.market == market, INCIDENTS.c.incident_id == cleaned["incident_id"]
    )
    for stored in act.connection.execute(query):
        if stored.acknowledged_at is None or (not again and stored.found == cleaned["found"]):
            return False
    row = {"market": market, "raised_at": act.ledger.clock.now(), **cleaned}
    act.connection.execute(insert(INCIDENTS), row)
    details = {**cleaned, "session": incident.session.isoformat()}
    act.append("incident_raised", details=details)
    return True


def read_open_incidents(connection: Connection, market: str) -> tuple[Incident, ...]:
    """Those that nobody has acknowledged, oldest first."""
    query = (
        select(INCIDENTS)
        .where(INCIDENTS.c.market == market, INCIDENTS.c.acknowledged_at.is_(None))
        .order_by(INCIDENTS.c.id)
    )
    return tuple(row_to_incident(row) for row in connection.execute(query))


def row_to_incident(row: Row[Any]) -> Incident:
    """The incident of a row."""
    fields = {name: getattr(row, name) for name in _FIELDS}
    return Incident(**{**fields, "kind": IncidentKind(row.kind)})
