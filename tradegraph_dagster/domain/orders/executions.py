"""Executions that are offered -> what a ledger writes: what is new, and what follows from it.

Nothing that is odd about one execution holds back the others: it is booked, or kept aside where its
id is taken, and a person is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.orders.accounting import cash_of
from tradegraph_dagster.domain.orders.admission import Admitted
from tradegraph_dagster.domain.orders.incidents import fill_incidents, incident_id
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.order_machine import Transition, fill_to_transition
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    Fill,
    Incident,
    IncidentKind,
    OrderRecord,
)


@dataclass(frozen=True, slots=True)
class CashEntry:
    """One line of the cash journal; its reference is the execution or booking it comes from."""

    broker: str
    reference: str
    kind: str
    session: date
    amount: Decimal


@dataclass(frozen=True)
class KnownExecutions:
    """What is stored of everything that is offered.

    Attributes:
        fills: Those with an id that is offered or busted by what is offered, busts of these, and
            all fills of the orders concerned, in order of booking.
        bookings: Those with an id that is offered.
        orders: Client order id -> order, where there is one.
    """

    fills: Sequence[Fill] = ()
    bookings: Sequence[Booking] = ()
    orders: Mapping[str, OrderRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class ExecutionPlan:
    """What to write for executions that were offered.

    Attributes:
        fills: New ones in order of booking, trades before busts.
        bookings: New ones, in order of booking.
        cash: Journal lines of both.
        repeated: How many were known with the same content.
        moves: Each order that changes, with the transition that brought it there.
        incidents: What a person must look at.
    """

    fills: tuple[Fill, ...]
    bookings: tuple[Booking, ...]
    cash: tuple[CashEntry, ...]
    repeated: int
    moves: tuple[tuple[OrderRecord, Transition], ...]
    incidents: tuple[Incident, ...]


def plan_executions(offered: Admitted, known: KnownExecutions, *, market: str) -> ExecutionPlan:
    """Decide what is new and what follows from it; nothing that is odd holds back the others.

    Raises:
        InvariantBroken: An execution is of another market.
    """
    executions: list[Fill | Booking] = [*offered.fills, *offered.bookings]
    for one in executions:
        if one.market != market:
            raise InvariantBroken(
                f"this ledger holds {market}, {_identity(one)} is of {one.market}",
                session=one.session,
                symbol=one.symbol,
            )
    picked = _Picked({_identity(fill): fill for fill in known.fills})
    picked.busted.update((fill.broker, fill.busts) for fill in known.fills if fill.busts)
    # A bust that comes along with its trade may stand before it.
    for fill in sorted(offered.fills, key=lambda one: bool(one.busts)):
        picked.offer_fill(fill)
    stored = {_identity(booking): booking for booking in known.bookings}
    for booking in offered.bookings:
        picked.offer_booking(booking, stored)
    moves, incidents = _order_moves(picked, known)
    return ExecutionPlan(
        tuple(picked.fills),
        tuple(picked.bookings),
        tuple(picked.cash),
        picked.repeated,
        tuple(moves),
        (*offered.incidents, *picked.incidents, *incidents),
    )


@dataclass
class _Picked:
    """Executions so far; `fill_by_id` grows, so that one call may not bring a thing twice."""

    fill_by_id: dict[tuple[str, str], Fill]
    busted: set[tuple[str, str]] = field(default_factory=set)
    fills: list[Fill] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    cash: list[CashEntry] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    repeated: int = 0

    def offer_fill(self, fill: Fill) -> None:
        stored = self.fill_by_id.get(_identity(fill))
        if stored is not None:
            self._count_repeated(stored, fill)
            return
        target = self.fill_by_id.get((fill.broker, fill.busts)) if fill.busts else None
        if target is not None and not target.busts and not _undoes(fill, target):
            self.incidents.append(_conflict(target, fill))
            return
        self.fill_by_id[_identity(fill)] = fill
        self.fills.append(fill)
        if fill.busts:
            self._take_back(fill, target)
        elif _identity(fill) not in self.busted:
            self._journal(fill, "fill", cash_of(fill))

    def offer_booking(self, booking: Booking, known: dict[tuple[str, str], Booking]) -> None:
        stored = known.get(_identity(booking))
        if stored is not None:
            self._count_repeated(stored, booking)
            return
        known[_identity(booking)] = booking
        self.bookings.append(booking)
        if booking.cash:
            self._journal(booking, booking.kind, booking.cash)

    def _take_back(self, bust: Fill, target: Fill | None) -> None:
        if target is None or target.busts:
            found = f"bust {bust.execution_id} of {bust.busts}"
            self.incidents.append(
                _incident(IncidentKind.UNKNOWN_BUST, bust, expected="a known trade", found=found)
            )
        elif _identity(target) not in self.busted:
            self._journal(bust, "bust", -cash_of(target))
        self.busted.add((bust.broker, bust.busts))

    def _journal(self, one: Fill | Booking, kind: str, amount: Decimal) -> None:
        broker, reference = _identity(one)
        self.cash.append(CashEntry(broker, reference, kind, one.session, amount))

    def _count_repeated(self, stored: Fill | Booking, offered: Fill | Booking) -> None:
        if stored == offered:
            self.repeated += 1
        else:
            self.incidents.append(_conflict(stored, offered))


def _order_moves(
    picked: _Picked, known: KnownExecutions
) -> tuple[list[tuple[OrderRecord, Transition]], list[Incident]]:
    moves: list[tuple[OrderRecord, Transition]] = []
    incidents: list[Incident] = []
    in_force = fills_in_force(picked.fill_by_id.values())
    filled: dict[str, int] = {}
    for fill in in_force:
        filled[fill.client_order_id] = filled.get(fill.client_order_id, 0) + fill.quantity_shares
    new = {_identity(fill) for fill in picked.fills}
    for fill in in_force:
        record = known.orders.get(fill.client_order_id)
        if record is not None and _identity(fill) in new:
            incidents += fill_incidents(record, fill, filled[fill.client_order_id])
            incidents += _mismatch(record, fill)
    for name in sorted({fill.client_order_id for fill in picked.fills} & known.orders.keys()):
        record, total = known.orders[name], filled.get(name, 0)
        if total != record.filled_shares:
            moved = fill_to_transition(record, total)
            reason = moved.reason if moved.is_change else record.reason
            after = replace(record, status=moved.after, filled_shares=total, reason=reason)
            moves.append((after, moved))
    return moves, incidents


def _mismatch(record: OrderRecord, fill: Fill) -> list[Incident]:
    intent = record.intent
    if (fill.symbol, fill.side) == (intent.symbol, intent.side):
        return []
    expected, found = f"{intent.side} {intent.symbol}", f"{fill.side} {fill.symbol}"
    return [_incident(IncidentKind.ORDER_MISMATCH, fill, expected=expected, found=found)]


def _conflict(stored: Fill | Booking, offered: Fill | Booking) -> Incident:
    expected, found = _content(stored), _content(offered)
    return _incident(IncidentKind.FILL_CONFLICT, offered, expected=expected, found=found)


def _incident(kind: IncidentKind, one: Fill | Booking, *, expected: str, found: str) -> Incident:
    reference = _identity(one)[1]
    name = incident_id(one.market, kind, reference)
    return Incident(name, kind, one.session, one.symbol, reference, expected, found)


def _content(one: Fill | Booking) -> str:
    if isinstance(one, Booking):
        return f"{one.kind} {one.symbol} {one.shares} shares, cash {one.cash}, {one.session}"
    busts = f", busts {one.busts}" if one.busts else ""
    return (
        f"{one.side} {one.quantity_shares} {one.symbol} at {one.price}, fee {one.fee}, order "
        f"{one.client_order_id}, {one.filled_at.isoformat()}{busts}"
    )


def _identity(one: Fill | Booking) -> tuple[str, str]:
    return one.broker, one.execution_id if isinstance(one, Fill) else one.booking_id


def _undoes(bust: Fill, target: Fill) -> bool:
    same = replace(
        bust,
        execution_id=target.execution_id,
        busts="",
        session=target.session,
        filled_at=target.filled_at,
    )
    return same == target
