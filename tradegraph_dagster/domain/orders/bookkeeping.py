"""What a ledger writes of orders: pure rules that every store applies in its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal, localcontext

from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError, InvariantBroken
from tradegraph_dagster.domain.core.ids import SYSTEM
from tradegraph_dagster.domain.core.money import CENT, WORKING_DIGITS
from tradegraph_dagster.domain.orders.order_machine import Transition
from tradegraph_dagster.domain.orders.schema import (
    Incident,
    Lease,
    OrderEvent,
    OrderRecord,
    OrderStatus,
    SendPermit,
    SendVerdict,
    StoredEvent,
)
from tradegraph_dagster.domain.risk.order_gate import GatedDecision

# Calls to the broker that Commitments.sent_at looks back on.
SENT_WINDOW = timedelta(minutes=1)

_NO_ANSWER = frozenset({OrderStatus.INTENT, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


def send_permit(
    record: OrderRecord | None,
    expected: OrderStatus,
    *,
    leases: tuple[Lease, Lease | None],
    barriers: Iterable[tuple[SendVerdict, str | None]],
    now: datetime,
) -> SendPermit:
    """Whether a call to the broker may begin; all of it read in one transaction.

    Args:
        record: The order, None where there is none.
        expected: Where the sender believes it stands.
        leases: The sender's, and the newest one of that name.
        barriers: What else may hold it back, the first one counts: the verdict then, and why; None
            where it does not.
        now: By the clock that leases age by.
    """
    if record is None or record.status is not expected:
        found = "absent" if record is None else record.status.value
        return SendPermit(SendVerdict.MOVED, f"expected {expected.value}, the order is {found}")
    held, newest = leases
    if newest is None or (newest.token, newest.holder) != (held.token, held.holder):
        holder = "nobody" if newest is None else f"{newest.holder} ({newest.token})"
        return SendPermit(
            SendVerdict.FENCED, f"{held.holder} ({held.token}) lost {held.name} to {holder}"
        )
    if newest.expires_at <= now:
        return SendPermit(
            SendVerdict.FENCED, f"{held.name} lapsed at {newest.expires_at.isoformat()}"
        )
    for verdict, reason in barriers:
        if reason is not None:
            return SendPermit(verdict, reason)
    return SendPermit(SendVerdict.GO)


def incident_barrier(incidents: Iterable[Incident], record: OrderRecord | None) -> str | None:
    """The open incident that holds an order back; one without a symbol is about all of them."""
    for one in incidents:
        if record is not None and one.blocks and one.symbol in ("", record.intent.symbol):
            return f"an incident is open: {one.incident_id}"
    return None


def sent_again(record: OrderRecord, now: datetime) -> OrderRecord:
    """The order as a call begins: an INTENT is SUBMITTING, and earlier misses are void."""
    status = OrderStatus.SUBMITTING if record.status is OrderStatus.INTENT else record.status
    return replace(record, status=status, sent_at=now, misses=0, missed_at=None)


def next_lease(
    newest: Lease | None, name: str, holder: str, *, seconds: float, now: datetime
) -> Lease | None:
    """The lease that a holder gets; None while somebody else has one that has not lapsed.

    One that would last far longer from now than is asked for was made by a clock that has jumped
    back since, and counts as lapsed: the higher token fences who held it. A clock that was only set
    right by less than a lease takes it from nobody.

    Args:
        newest: The last lease of the name.
        name: What it is the right to.
        holder: Who asks.
        seconds: How long it is to last.
        now: By the one clock that all leases of the ledger age by.
    """
    length = timedelta(seconds=seconds)
    last = now + 2 * length
    if newest is not None and newest.holder != holder and now < newest.expires_at <= last:
        return None
    return Lease(name, holder, 1 if newest is None else newest.token + 1, now + length)


def check_acknowledgement(actor: str, reason: str) -> None:
    """Refuse to close an incident without a person and a reason.

    Raises:
        AccessDenied: The actor is no person, or the reason is empty.
    """
    if actor.strip().casefold() in ("", SYSTEM) or not reason.strip():
        raise AccessDenied(
            f"an incident is closed by a person with a reason, found actor {actor!r}, reason "
            f"{reason!r}"
        )


def not_open(incident_id: str, standing: Iterable[str] = ()) -> ConfigError:
    """What a person is told who names an incident that does not stand open."""
    known = f"; open are {', '.join(standing)}" if standing else ""
    return ConfigError(
        f"found no open incident {incident_id}: it was mistyped, or somebody has acknowledged it"
        f"{known}"
    )


def bound_cash(full: Decimal, quantity_shares: int, filled_shares: int) -> Decimal:
    """What an order still binds of its reservation once part of it has filled, up to a cent."""
    left = max(quantity_shares - filled_shares, 0)
    if left >= quantity_shares:
        return full
    with localcontext(prec=WORKING_DIGITS):
        share = (full * left / quantity_shares).quantize(CENT, rounding=ROUND_CEILING)
    return min(share, full)


def event_change(
    record: OrderRecord, event: OrderEvent, transition: Transition, stored: Iterable[StoredEvent]
) -> OrderRecord | None:
    """The order once the event is stored; None where the event is not worth storing.

    A refused event leaves the order as it is and is stored once. An answer of the broker ends its
    misses. Of an order that stays UNKNOWN the newest reason counts.
    """
    if transition.refusal:
        is_known = any(replace(one.event, raw=event.raw) == event for one in stored)
        return None if is_known else record
    after = replace(record, broker_order_id=event.broker_order_id or record.broker_order_id)
    if transition.is_change:
        after = replace(
            after,
            status=transition.after,
            reason=transition.reason,
            updated_at=event.updated_at,
            source=event.source,
        )
    elif event.status is OrderStatus.UNKNOWN and event.reason:
        after = replace(after, reason=event.reason)
    if event.status not in _NO_ANSWER:
        after = replace(after, misses=0, missed_at=None)
    return None if after == record else after


def check_belongs(decision: GatedDecision, decision_id: str, market: str, session: date) -> None:
    """Refuse a decision, or an order in it, that is not what the ledger was asked to record.

    Raises:
        InvariantBroken: It is of another market, session or id, or has one order twice.
    """
    taken = decision.decision
    expected = (market, decision_id, session)
    if (taken.market, taken.decision_id, taken.session) != expected:
        raise InvariantBroken(
            f"this ledger holds {market} and was asked for {decision_id}, found {taken.decision_id}"
            f" of {taken.market}",
            table="decisions",
            session=session,
        )
    seen: set[str] = set()
    for judged in decision.orders:
        order = judged.order
        if order.decision_id != decision_id or order.client_order_id in seen:
            raise InvariantBroken(
                f"order {order.client_order_id} of {order.decision_id} comes once and with "
                f"{decision_id} only",
                table="orders",
                session=session,
                symbol=order.symbol,
            )
        seen.add(order.client_order_id)
