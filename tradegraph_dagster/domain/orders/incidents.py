"""What a person must look at: incidents of fills and of answers, and which of them stop trading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    Fill,
    Incident,
    IncidentKind,
    OrderIntent,
    OrderRecord,
    OrderStatus,
)

# Kinds after which nothing is sent at all until two people have reset the kill switch.
_HALTING = frozenset({IncidentKind.FILL_AFTER_REJECTION})

# What a fill means in a status where none should come: its kind, and whether it blocks all.
_UNEXPECTED = {
    OrderStatus.CANCELED: (IncidentKind.LATE_FILL, False),
    OrderStatus.EXPIRED: (IncidentKind.LATE_FILL, False),
    OrderStatus.REJECTED: (IncidentKind.FILL_AFTER_REJECTION, True),
    OrderStatus.DENIED: (IncidentKind.FILL_AFTER_REJECTION, True),
    OrderStatus.INTENT: (IncidentKind.ORPHAN_ORDER, True),
}


def incident_id(market: str, kind: IncidentKind, reference: str) -> str:
    """Identity of an incident: the same thing found again has the same one."""
    return f"{market}:{kind}:{reference}"


def fill_incidents(record: OrderRecord, fill: Fill, total: int) -> tuple[Incident, ...]:
    """What is wrong with a fill, which is booked all the same.

    A late fill of a canceled or expired order is only reported. A fill of an order that was
    rejected, denied or never sent blocks the market, and so does an overfill.

    Args:
        record: The order before the fill.
        fill: A fill or a bust that the ledger did not have.
        total: Sum of the order's fills in force, afterwards.
    """
    if fill.busts:
        return ()
    found = f"{fill.quantity_shares} shares at {fill.price}"
    raised = []
    if record.status in _UNEXPECTED and not _was_before_the_end(record, fill):
        kind, blocks = _UNEXPECTED[record.status]
        expected = f"no fill of an order that is {record.status}"
        raised.append(_of_fill(fill, kind, (expected, found), blocks=blocks))
    if total > record.intent.quantity_shares:
        expected = f"at most {record.intent.quantity_shares} shares of {fill.client_order_id}"
        raised.append(
            _of_fill(fill, IncidentKind.OVERFILL, (expected, f"{total} with {found}"), blocks=True)
        )
    return tuple(raised)


def answer_incident(intent: OrderIntent, answer: BrokerOrder) -> Incident | None:
    """An ORDER_MISMATCH where the broker has our id with other content, else None.

    What the broker does not say is not compared.
    """
    pairs = [
        ("shares", intent.quantity_shares, answer.quantity_shares),
        ("symbol", intent.symbol, answer.symbol or intent.symbol),
        ("side", intent.side, answer.side or intent.side),
    ]
    if answer.limit_price is not None:
        pairs.append(("limit price", intent.limit_price, answer.limit_price))
    wrong = [(name, ours, theirs) for name, ours, theirs in pairs if ours != theirs]
    if not wrong:
        return None
    return order_incident(
        intent,
        IncidentKind.ORDER_MISMATCH,
        expected=", ".join(f"{name} {ours}" for name, ours, _ in wrong),
        found=", ".join(f"{name} {theirs}" for name, _, theirs in wrong),
    )


def order_incident(
    intent: OrderIntent, kind: IncidentKind, *, expected: str, found: str
) -> Incident:
    """An incident of an order that blocks its symbol."""
    return Incident(
        incident_id=incident_id(intent.market, kind, intent.client_order_id),
        kind=kind,
        session=intent.session,
        symbol=intent.symbol,
        reference=intent.client_order_id,
        expected=expected,
        found=found,
    )


def changed_book_incident(intent: OrderIntent, found: str) -> Incident:
    """An order that was not sent, as the book does not bear it any more; blocks nothing."""
    kind, expected = IncidentKind.BOOK_CHANGED, "the book that the decision saw"
    return replace(order_incident(intent, kind, expected=expected, found=found), blocks=False)


def halting_reason(incidents: Iterable[Incident]) -> str | None:
    """Why the kill switch must be engaged, None where the incidents do not ask for it."""
    asking = [one for one in incidents if one.kind in _HALTING]
    return "; ".join(f"{one.kind} {one.reference}: {one.found}" for one in asking) or None


def _was_before_the_end(record: OrderRecord, fill: Fill) -> bool:
    """Whether the order ended after the fill, which was only booked later, by the broker's time."""
    is_end = record.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
    ended = record.updated_at
    if not is_end or ended is None or ended.tzinfo is None or fill.filled_at.tzinfo is None:
        return False
    return fill.filled_at <= ended


def _of_fill(fill: Fill, kind: IncidentKind, texts: tuple[str, str], *, blocks: bool) -> Incident:
    """An incident of a fill; one that blocks does so for all of the market."""
    expected, found = texts
    return Incident(
        incident_id=incident_id(fill.market, kind, fill.execution_id),
        kind=kind,
        session=fill.session,
        symbol="" if blocks else fill.symbol,
        reference=fill.execution_id,
        expected=expected,
        found=found,
        blocks=blocks,
    )
