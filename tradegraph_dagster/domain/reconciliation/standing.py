"""Breaks as incidents: which are new, which stand, and which a person has acknowledged.

A break of an order, execution or booking is about one thing that never comes back: once it is
acknowledged it is over. One of a position or of cash is over once the ledger has adopted the
broker's word; another one, of the same symbol and session, is another break.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.orders.schema import Incident, IncidentKind
from tradegraph_dagster.domain.reconciliation.schema import Break, BreakKey, BreakKind

_ID_DIGITS = 20


def break_to_incident(found: Break, *, market: str, session: date, blocks: bool = True) -> Incident:
    """The incident of a break; equal breaks have equal ids.

    Args:
        found: The break.
        market: Where.
        session: Whose books showed it first.
        blocks: False for facts of the broker that the ledger has adopted.
    """
    about = [market, *found.key]
    if not found.reference:
        about += [session.isoformat(), found.expected, found.found]
    if not blocks:
        # A fact that was adopted may yet turn out to be disputed, which is another matter.
        about.append("adopted")
    return Incident(
        incident_id=f"break-{data_fingerprint(about)[:_ID_DIGITS]}",
        kind=IncidentKind.BREAK_FOUND,
        session=session,
        symbol=found.symbol,
        reference=f"{found.kind}:{found.reference}",
        expected=found.expected,
        found=found.found,
        blocks=blocks,
    )


def incident_to_break(incident: Incident) -> Break | None:
    """The break an incident was raised for; None for incidents of another kind."""
    if incident.kind is not IncidentKind.BREAK_FOUND:
        return None
    kind, _, reference = incident.reference.partition(":")
    return Break(BreakKind(kind), incident.symbol, reference, incident.expected, incident.found)


def adjustment_id(incident: Incident) -> str:
    """Identity of the booking that acknowledges a break."""
    return f"adjustment-{incident.incident_id}"


def drop_acknowledged(
    breaks: Sequence[Break], adjusted: Mapping[str, bool], *, market: str, session: date
) -> list[Break]:
    """The breaks that nobody has acknowledged yet.

    Args:
        breaks: As found.
        adjusted: Id of an adjustment -> whether it moved shares or cash. Without a move there was
            nothing left to adopt: what differs in shares or cash now is another difference.
        market: Name of the market.
        session: Of the breaks.
    """

    def is_acknowledged(found: Break) -> bool:
        moved = adjusted.get(
            adjustment_id(break_to_incident(found, market=market, session=session))
        )
        return moved is not None and (moved or bool(found.reference))

    return [found for found in breaks if not is_acknowledged(found)]


def known_keys(incidents: Iterable[Incident], *, blocking: bool) -> frozenset[BreakKey]:
    """What the open incidents are about, or only those of them that block."""
    found = (incident_to_break(one) for one in incidents if one.blocks or not blocking)
    return frozenset(one.key for one in found if one is not None)


def adopted_breaks(incidents: Iterable[Incident], session: date) -> list[Break]:
    """Facts of a session that were adopted, and that nobody has looked at yet."""
    found = (
        incident_to_break(one) for one in incidents if one.session == session and not one.blocks
    )
    return [one for one in found if one is not None]
