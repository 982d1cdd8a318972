"""The books of a market in memory: for tests, notebooks, examples and simulations.

They keep the same promises as a stored ledger but no audit chain, and forget with the process. Live
trading cannot be armed in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from threading import RLock

from tradegraph_dagster.adapters.memory.kill_switch import MemoryKillSwitch
from tradegraph_dagster.adapters.memory.lease_book import MemoryLeaseBook
from tradegraph_dagster.adapters.memory.reconciliation_book import MemoryReconciliationBook
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.ids import SYSTEM
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.admission import Admitted, admit_executions
from tradegraph_dagster.domain.orders.bookkeeping import (
    SENT_WINDOW,
    bound_cash,
    check_acknowledgement,
    check_belongs,
    event_change,
    incident_barrier,
    not_open,
    send_permit,
    sent_again,
)
from tradegraph_dagster.domain.orders.executions import KnownExecutions, plan_executions
from tradegraph_dagster.domain.orders.incidents import halting_reason
from tradegraph_dagster.domain.orders.intents import judged_to_record
from tradegraph_dagster.domain.orders.order_machine import (
    NEVER_SENT,
    Transition,
    event_to_transition,
)
from tradegraph_dagster.domain.orders.ports import KillSwitch, TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    BookedExecutions,
    Booking,
    Commitments,
    Fill,
    Incident,
    Lease,
    OrderEvent,
    OrderRecord,
    OrderStatus,
    SendPermit,
    SendVerdict,
    StoredEvent,
    Venue,
)
from tradegraph_dagster.domain.risk.order_gate import GatedDecision, GateResult
from tradegraph_dagster.domain.risk.schema import RiskDecision


def memory_books(*, market: str, clock: Clock) -> TradingBooks:
    """Empty books of a market.

    Args:
        market: Decisions and executions of any other are refused.
        clock: Stamps calls and events, and ends leases and requests to reset the kill switch.
    """
    reconciliations = MemoryReconciliationBook(clock)
    switch = MemoryKillSwitch(clock, reconciliations, lambda: kept.newest_traded())
    kept = _Kept(market, clock, switch)
    orders = MemoryOrderBook(kept)
    return TradingBooks(
        decisions=MemoryDecisionBook(kept),
        orders=orders,
        events=orders,
        executions=MemoryFillBook(kept),
        leases=MemoryLeaseBook(kept.leases, kept.lock, clock),
        incidents=MemoryIncidentBook(kept),
        kill_switch=switch,
        reconciliations=reconciliations,
    )


@dataclass
class _Kept:
    """What the books of a market share; who holds `lock` is in a transaction."""

    market: str
    clock: Clock
    kill_switch: KillSwitch
    lock: RLock = field(default_factory=RLock)
    decisions: dict[str, GatedDecision] = field(default_factory=dict)
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    events: dict[str, list[StoredEvent]] = field(default_factory=dict)
    in_session: dict[date, set[str]] = field(default_factory=dict)
    # Open orders and the cash that each binds as a whole; newest calls of the last minute or so.
    reserved: dict[str, Decimal] = field(default_factory=dict)
    calls: dict[str, datetime] = field(default_factory=dict)
    fills: dict[tuple[str, str], Fill] = field(default_factory=dict)
    fills_of: dict[str, list[Fill]] = field(default_factory=dict)
    busts_of: dict[tuple[str, str], list[Fill]] = field(default_factory=dict)
    bookings: dict[tuple[str, str], Booking] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    open_incidents: dict[str, Incident] = field(default_factory=dict)
    acknowledged: list[Incident] = field(default_factory=list)

    def put_order(self, record: OrderRecord) -> None:
        name = record.intent.client_order_id
        self.orders[name] = record
        self.in_session.setdefault(record.intent.session, set()).add(name)
        if record.status.is_terminal:
            self.reserved.pop(name, None)

    def put_fill(self, fill: Fill) -> None:
        self.fills[fill.broker, fill.execution_id] = fill
        self.fills_of.setdefault(fill.client_order_id, []).append(fill)
        if fill.busts:
            self.busts_of.setdefault((fill.broker, fill.busts), []).append(fill)

    def known(self, offered: Admitted) -> KnownExecutions:
        names = {fill.client_order_id for fill in offered.fills}
        ids = {(one.broker, its) for one in offered.fills for its in (one.execution_id, one.busts)}
        near = [fill for name in names for fill in self.fills_of.get(name, ())]
        near += [self.fills[one] for one in ids & self.fills.keys()]
        ids |= {(fill.broker, fill.execution_id) for fill in near}
        near += [bust for one in ids for bust in self.busts_of.get(one, ())]
        booked = {(one.broker, one.booking_id) for one in offered.bookings} & self.bookings.keys()
        return KnownExecutions(
            fills=near,
            bookings=[self.bookings[one] for one in booked],
            orders={name: self.orders[name] for name in names & self.orders.keys()},
        )

    def session_orders(self, session: date) -> list[OrderRecord]:
        return [self.orders[name] for name in sorted(self.in_session.get(session, ()))]

    def newest_traded(self) -> date | None:
        sent = (one for one in self.orders.values() if one.status not in NEVER_SENT)
        sessions = [one.intent.session for one in sent]
        sessions += [fill.session for fill in self.fills.values()]
        sessions += [booking.session for booking in self.bookings.values()]
        return max(sessions, default=None)

    def raise_incident(self, incident: Incident) -> bool:
        if incident.incident_id in self.open_incidents:
            return False
        self.open_incidents[incident.incident_id] = incident
        return True

    def commitments(self, session: date) -> Commitments:
        since = self.clock.now() - SENT_WINDOW
        working = tuple(self.orders[name] for name in sorted(self.reserved))
        self.calls = {name: at for name, at in self.calls.items() if at > since}
        return Commitments(
            working=working,
            reserved_cash={
                record.intent.client_order_id: bound_cash(
                    self.reserved[record.intent.client_order_id],
                    record.intent.quantity_shares,
                    record.filled_shares,
                )
                for record in working
                if record.intent.side is Side.BUY
            },
            sent_at=tuple(sorted(self.calls.values())),
            sent_in_session=Counter(
                record.intent.symbol
                for record in self.session_orders(session)
                if record.status is not OrderStatus.DENIED
            ),
            incidents=tuple(self.open_incidents.values()),
        )


class MemoryDecisionBook:
    """A DecisionBook that shares its orders with the OrderBook."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def record_decision(
        self, decision_id: str, decide: Callable[[Commitments], GatedDecision], *, session: date
    ) -> RiskDecision:
        """Decide and keep with its orders; one that is kept already is returned instead."""
        kept = self._kept
        with kept.lock:
            stored = kept.decisions.get(decision_id)
            if stored is not None:
                return stored.decision
            gated = decide(kept.commitments(session))
            check_belongs(gated, decision_id, kept.market, session)
            for judged in gated.orders:
                if judged.order.client_order_id in kept.orders:
                    raise InvariantBroken(
                        f"order {judged.order.client_order_id} exists already", session=session
                    )
            kept.decisions[decision_id] = gated
            for judged in gated.orders:
                if judged.is_approved:
                    kept.reserved[judged.order.client_order_id] = judged.reserved_cash
                kept.put_order(judged_to_record(judged, gated.decision))
            return gated.decision

    def decision(self, decision_id: str) -> RiskDecision | None:
        """A kept decision."""
        stored = self._kept.decisions.get(decision_id)
        return None if stored is None else stored.decision

    def equities(self, through: date) -> Sequence[tuple[date, Decimal]]:
        """Session and equity of every decision, ascending."""
        known = [gated.decision for gated in self._kept.decisions.values()]
        known.sort(key=lambda one: (one.session, one.strategy))
        return [(one.session, one.equity) for one in known if one.session <= through]

    def gate_results(self, decision_id: str) -> Mapping[str, Sequence[GateResult]]:
        """Client order id -> every gate's word."""
        stored = self._kept.decisions.get(decision_id)
        orders = () if stored is None else stored.orders
        return {judged.order.client_order_id: judged.results for judged in orders}

    def commitments(self, session: date) -> Commitments:
        """What open orders have bound now."""
        with self._kept.lock:
            return self._kept.commitments(session)


class MemoryOrderBook:
    """An OrderBook and its OrderEventLog."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def orders(self, session: date) -> Sequence[OrderRecord]:
        """Orders of a session, by client order id."""
        with self._kept.lock:
            return self._kept.session_orders(session)

    def order(self, client_order_id: str) -> OrderRecord | None:
        """One order."""
        return self._kept.orders.get(client_order_id)

    def begin_sending(
        self, client_order_id: str, expected: OrderStatus, *, lease: Lease, venue: Venue
    ) -> SendPermit:
        """The last look before a call; a live venue is never armed here."""
        kept, shut = self._kept, "books in memory cannot arm live trading"
        with kept.lock:
            record = kept.orders.get(client_order_id)
            permit = send_permit(
                record,
                expected,
                leases=(lease, kept.leases.get(lease.name)),
                barriers=(
                    (SendVerdict.HALTED, kept.kill_switch.engaged()),
                    (SendVerdict.UNARMED, shut if venue.is_live else None),
                    (SendVerdict.BLOCKED, incident_barrier(kept.open_incidents.values(), record)),
                ),
                now=kept.clock.now(),
            )
            if record is not None and permit.verdict is SendVerdict.GO:
                kept.put_order(sent_again(record, kept.clock.now()))
                kept.calls[client_order_id] = kept.clock.now()
        return permit

    def apply(self, event: OrderEvent) -> Transition:
        """Keep an event, and move the order if the machine allows it."""
        kept = self._kept
        with kept.lock:
            record = self._existing(event.client_order_id)
            transition = event_to_transition(record, event)
            past = kept.events.setdefault(event.client_order_id, [])
            after = event_change(record, event, transition, past)
            if after is not None:
                past.append(StoredEvent(event, kept.clock.now(), transition.refusal))
                kept.put_order(after)
        return transition

    def record_miss(self, client_order_id: str) -> OrderRecord:
        """Keep that the broker says it never saw the order."""
        kept = self._kept
        with kept.lock:
            record = self._existing(client_order_id)
            after = replace(record, misses=record.misses + 1, missed_at=kept.clock.now())
            kept.put_order(after)
        return after

    def events(self, client_order_id: str) -> Sequence[StoredEvent]:
        """Everything that was said of an order, as it was recorded."""
        return tuple(self._kept.events.get(client_order_id, ()))

    def _existing(self, client_order_id: str) -> OrderRecord:
        record = self._kept.orders.get(client_order_id)
        if record is None:
            raise InvariantBroken(f"no order {client_order_id}", table="orders")
        return record


class MemoryFillBook:
    """A FillBook that moves the OrderBook's orders."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def record_executions(
        self, fills: Sequence[Fill], bookings: Sequence[Booking]
    ) -> BookedExecutions:
        """Keep what is new, and what follows from it."""
        kept = self._kept
        with kept.lock:
            offered = admit_executions(fills, bookings)
            plan = plan_executions(offered, kept.known(offered), market=kept.market)
            for fill in plan.fills:
                kept.put_fill(fill)
            for booking in plan.bookings:
                kept.bookings[booking.broker, booking.booking_id] = booking
            for record, _ in plan.moves:
                kept.put_order(record)
            raised = tuple(one for one in plan.incidents if self._is_raised(one))
            halt = halting_reason(raised)
            if halt is not None:
                kept.kill_switch.engage(reason=halt, actor=SYSTEM)
        return BookedExecutions(len(plan.fills) + len(plan.bookings), plan.repeated, raised)

    def fills(self, through: date) -> Sequence[Fill]:
        """Fills of sessions up to `through`, in order of booking."""
        with self._kept.lock:
            return [fill for fill in self._kept.fills.values() if fill.session <= through]

    def bookings(self, through: date) -> Sequence[Booking]:
        """Bookings of sessions up to `through`, in order of booking."""
        with self._kept.lock:
            stored = self._kept.bookings.values()
            return [booking for booking in stored if booking.session <= through]

    def _is_raised(self, incident: Incident) -> bool:
        # The same conflict comes with every answer of the broker, also once a person has seen it.
        return incident not in self._kept.acknowledged and self._kept.raise_incident(incident)


class MemoryIncidentBook:
    """An IncidentBook."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def raise_incidents(self, incidents: Sequence[Incident]) -> int:
        """Keep those that do not stand open already; returns how many were new."""
        with self._kept.lock:
            return sum(self._kept.raise_incident(incident) for incident in incidents)

    def open_incidents(self) -> Sequence[Incident]:
        """Those that nobody has acknowledged, oldest first."""
        with self._kept.lock:
            return tuple(self._kept.open_incidents.values())

    def acknowledge(
        self, incident_id: str, *, actor: str, reason: str, bookings: Sequence[Booking] = ()
    ) -> None:
        """Close one, with the bookings that adopt the broker's word."""
        check_acknowledgement(actor, reason)
        kept = self._kept
        with kept.lock:
            if incident_id not in kept.open_incidents:
                raise not_open(incident_id)
            MemoryFillBook(kept).record_executions([], bookings)
            kept.acknowledged.append(kept.open_incidents.pop(incident_id))
