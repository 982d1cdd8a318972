"""One order at the broker: the last checks, one call, and its answer in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    InvariantBroken,
    OrderRefused,
    OrderStateUnknown,
    TradeGraphError,
    TradingHalted,
)
from tradegraph_dagster.domain.orders.incidents import answer_incident, order_incident
from tradegraph_dagster.domain.orders.last_look import halt_reason
from tradegraph_dagster.domain.orders.order_machine import REFUSED
from tradegraph_dagster.domain.orders.pace import Pace
from tradegraph_dagster.domain.orders.ports import Broker, Stopwatch, TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    ORDERS,
    BrokerOrder,
    EventSource,
    Incident,
    IncidentKind,
    OrderEvent,
    OrderIntent,
    OrderRecord,
    OrderStatus,
    SendVerdict,
    TradingMode,
    Venue,
)
from tradegraph_dagster.domain.orders.turn import Turn


@dataclass(frozen=True, slots=True)
class SubmissionPolicy:
    """How far orders go, and how patient a run is.

    Attributes:
        mode: How far orders go.
        grace_seconds: How long after a call the broker may still not find an order it has.
        spacing_seconds: Least time between two questions about the same order.
        patience_seconds: How long a run waits in all; 0 leaves waiting to a later run.
        lease_seconds: How long the right to send outlives a run that died.
        max_per_second: Calls to the broker in any second, those of a run before among them.
        max_per_minute: The same in any minute. A replay, which has no deadline, keeps no pace.
    """

    mode: TradingMode = TradingMode.PAPER
    grace_seconds: float = 30.0
    spacing_seconds: float = 5.0
    patience_seconds: float = 90.0
    lease_seconds: float = 5.0
    max_per_second: int = 10
    max_per_minute: int = 180


@dataclass(frozen=True, slots=True)
class SubmissionPorts:
    """What a run works with.

    Attributes:
        books: The ledger.
        broker: Where orders go.
        clock: For the deadline.
        stopwatch: For the lease and for waiting.
        holder: Who this run is; no two runs share it.
    """

    books: TradingBooks
    broker: Broker
    clock: Clock
    stopwatch: Stopwatch
    holder: str


@dataclass
class Sender:
    """Sends one order at a time, under a lease that `turn` keeps.

    An order that an open incident holds back is left as it is; the others go on.

    Attributes:
        ports: The ledger, the broker and time.
        policy: How far orders go.
        turn: The right to send.
        deadline: From here on nothing is sent; None for a replay.
        pace: How fast calls may follow each other.
        sent: Ids for which a call went out, in order.
        blocked: Orders that an open incident holds back, and why.
    """

    ports: SubmissionPorts
    policy: SubmissionPolicy
    turn: Turn
    deadline: datetime | None
    pace: Pace
    sent: list[str] = field(default_factory=list)
    blocked: dict[str, TradingHalted] = field(default_factory=dict)
    _venue: Venue | None = None

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be sent at all."""
        return self.policy.mode is TradingMode.DRY_RUN

    @property
    def is_too_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and self.ports.clock.now() >= self.deadline

    def keep_pace(self) -> bool:
        """Wait until a call may begin; False where another run took the lease in the meantime."""
        if self.deadline is None:
            return True
        return self.turn.pause(self.pace.delay(self.ports.stopwatch.seconds()))

    def send(self, record: OrderRecord) -> TradeGraphError | None:
        """Permit, one call, its answer; again after a while where for sure nothing was sent.

        The first call goes out at once: `keep_pace` comes before it.

        Returns:
            What stops the sending. None also where the outcome is UNKNOWN, or an incident holds
            the order back: ask the ledger, and `blocked`.
        """
        # A call of which for sure nothing was sent leaves the next one the first.
        is_first = record.status is OrderStatus.INTENT and record.sent_at is None
        while True:
            cause = self._call_once(record, is_first=is_first)
            if not isinstance(cause, BrokerUnavailable):
                return cause
            record = self._read(record)
            waited = not self.is_too_late and self.turn.wait(self.policy.spacing_seconds)
            # A wait may have passed the deadline.
            if not (waited and self.keep_pace()) or self.is_too_late:
                return cause

    def refusal(self, intent: OrderIntent) -> TradeGraphError | None:
        """Why the order could not go out now, asked without moving it."""
        halt = halt_reason(self.ports.books.kill_switch)
        return _halt(intent, halt) if halt is not None else self._misdirected(intent)

    def take_over(
        self, record: OrderRecord, answer: BrokerOrder, source: EventSource
    ) -> tuple[OrderRecord, TradeGraphError | None]:
        """Store the broker's word, unless it speaks of another order; the order afterwards."""
        intent = record.intent
        incident = answer_incident(intent, answer)
        if incident is None:
            self.ports.books.orders.apply(answer_to_event(answer, source))
            return self._read(record), None
        self._mismatch(intent, incident)
        return record, InvariantBroken(
            f"order {intent.client_order_id} is at the broker with {incident.found}, expected "
            f"{incident.expected}; halt and ask the broker",
            table=ORDERS.name,
            session=intent.session,
            symbol=intent.symbol,
        )

    def say(self, intent: OrderIntent, status: OrderStatus, reason: str) -> None:
        """Store our own word on an order."""
        event = OrderEvent(intent.client_order_id, status, EventSource.SUBMISSION, reason=reason)
        self.ports.books.orders.apply(event)

    def _call_once(self, record: OrderRecord, *, is_first: bool) -> TradeGraphError | None:
        intent = record.intent
        refused = self._too_late(intent) or self._misdirected(intent) or self._permit(record)
        # The permit may have waited for another writer.
        refused = refused or self._too_late(intent)
        if refused is not None or intent.client_order_id in self.blocked:
            return refused
        if not self.turn.holds():
            return stop(intent, "the lease may have lapsed since the permit; nothing was sent")
        self.sent.append(intent.client_order_id)
        self.pace.count(self.ports.stopwatch.seconds())
        try:
            answer = self.ports.broker.submit(intent)
        except OrderRefused as error:
            # An earlier call may have arrived all the same, and be why this one is refused.
            if is_first:
                self.say(intent, OrderStatus.REJECTED, error.message)
            else:
                self.say(intent, OrderStatus.UNKNOWN, f"{REFUSED}{error.message}")
            return None
        except OrderStateUnknown as error:
            self.say(intent, OrderStatus.UNKNOWN, error.message)
            return None
        except InvariantBroken as error:
            kind, expected = IncidentKind.ORDER_MISMATCH, f"{intent.quantity_shares} {intent.side}"
            self._mismatch(
                intent, order_incident(intent, kind, expected=expected, found=error.message)
            )
            return error
        except (BrokerUnavailable, TradingHalted) as error:
            self.sent.pop()
            return error
        return self.take_over(record, answer, EventSource.SUBMISSION)[1]

    def _too_late(self, intent: OrderIntent) -> TradeGraphError | None:
        if not self.is_too_late:
            return None
        return stop(intent, f"the deadline {self.deadline} has passed; nothing was sent")

    def _permit(self, record: OrderRecord) -> TradeGraphError | None:
        """The ledger's last look."""
        intent = record.intent
        if not self.turn.keep() or self.turn.lease is None or self._venue is None:
            return stop(intent, "another run is sending; wait for its end")
        permit = self.ports.books.orders.begin_sending(
            intent.client_order_id, record.status, lease=self.turn.lease, venue=self._venue
        )
        if permit.verdict is SendVerdict.GO:
            return None
        if permit.verdict is SendVerdict.HALTED:
            return _halt(intent, f"the kill switch is engaged: {permit.reason}")
        if permit.verdict is SendVerdict.UNARMED:
            return _halt(intent, permit.reason)
        if permit.verdict is SendVerdict.BLOCKED:
            return self._hold_back(intent, permit.reason)
        return stop(intent, f"{permit.reason}; another run may be sending")

    def _hold_back(self, intent: OrderIntent, reason: str) -> TradeGraphError | None:
        """Leave an order that an incident holds back; one of all symbols stops the sending."""
        held = TradingHalted(
            f"{reason}; nothing was sent of order {intent.client_order_id}: acknowledge it, then "
            "materialise orders again",
            table=ORDERS.name,
            session=intent.session,
            symbol=intent.symbol,
        )
        standing = self.ports.books.incidents.open_incidents()
        if any(one.blocks and not one.symbol for one in standing):
            return held
        self.blocked[intent.client_order_id] = held
        return None

    def _misdirected(self, intent: OrderIntent) -> TradeGraphError | None:
        """Whether orders would go elsewhere than the mode says, as the connection tells it."""
        try:
            self._venue = self._venue or self.ports.broker.venue
        except BrokerUnavailable as error:
            return error
        mode, is_live = self.policy.mode, self._venue.is_live
        if self.is_dry or is_live == (mode is TradingMode.LIVE):
            return None
        found = f"{'a live' if is_live else 'no live'} account at {self._venue.host or 'this host'}"
        return _halt(intent, f"mode {mode} is configured, the connection leads to {found}")

    def _mismatch(self, intent: OrderIntent, incident: Incident) -> None:
        self.ports.books.incidents.raise_incidents([incident])
        self.say(intent, OrderStatus.UNKNOWN, f"the broker has {incident.found}")

    def _read(self, record: OrderRecord) -> OrderRecord:
        return self.ports.books.orders.order(record.intent.client_order_id) or record


def answer_to_event(answer: BrokerOrder, source: EventSource) -> OrderEvent:
    """The broker's word as an event."""
    return OrderEvent(
        client_order_id=answer.client_order_id,
        status=answer.status,
        source=source,
        broker_order_id=answer.broker_order_id,
        filled_shares=answer.filled_shares,
        updated_at=answer.updated_at,
        reason=answer.reason,
        raw=answer.raw,
    )


def stop(intent: OrderIntent, reason: str) -> OrderStateUnknown:
    """An end of the sending that a later run goes on from."""
    return OrderStateUnknown(
        f"order {intent.client_order_id}: {reason}",
        table=ORDERS.name,
        session=intent.session,
        symbol=intent.symbol,
    )


def _halt(intent: OrderIntent, reason: str) -> TradingHalted:
    return TradingHalted(
        f"{reason}; this order and those after it were not sent, materialise orders again once "
        "trading may go on",
        table=ORDERS.name,
        session=intent.session,
        symbol=intent.symbol,
    )
