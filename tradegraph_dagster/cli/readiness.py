"""Whether a session's data may be traded on, as it is now."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.monitoring.readiness import evidence_to_readiness, gather_evidence
from tradegraph_dagster.resources.desk import MarketDesk


def readiness_row(desk: MarketDesk, session: date | None) -> dict[str, Any]:
    """The record of a session, by default of the newest that is due.

    Raises:
        MissingSession: Nobody trades on that day.
    """
    if session is not None and not desk.market.calendar.is_session(session):
        raise MissingSession(
            f"{desk.market.calendar.name} is closed; ask for a session, or for another --market",
            session=session,
        )
    surroundings = desk.surroundings()
    asked = session or surroundings.due
    record = evidence_to_readiness(
        gather_evidence(desk.workspace, asked, reach=surroundings.reach), surroundings
    )
    return {"market": desk.name, **record}
