"""Sending a session's orders: each reaches the broker once, whatever dies wherever.

Nothing over a network is exactly once. Two things together come to it: the order and its id are in
the ledger before anything is sent, and the broker takes an id once. In one run:

1. Take the lease (`turn`). Another run that sends has it: stop.
2. Recover what an earlier run left SUBMITTING or UNKNOWN: ask the broker by the order's id. What it
   has is compared and taken over. What it never saw is sent again under the same id, but only after
   the grace in which it may still show up and after two misses that are apart. That call refused
   proves nothing of the first one: the broker is asked through another grace, and only an order
   that it does not have then is REJECTED. Of a cancel that was asked for, it is asked what came of
   it.
3. Send the intents (`sending`), sales first, at the pace that gate 20 allows: the ledger's permit
   marks the order SUBMITTING, one call goes out, the answer is stored. An ambiguous answer makes
   the order UNKNOWN, and it is recovered on the spot.
4. Give the lease back.

An order that the book does not bear any more ends before it is sent, and an open incident holds
back its symbol; the others go on.
After the deadline nothing is sent, and what may have arrived is still asked about. Whatever stops
the sending leaves orders that a later run picks up here, or that the close ends.
A dry run looks at everything, sends nothing and leaves intents as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    OrderStateUnknown,
    TradeGraphError,
)
from tradegraph_dagster.domain.orders.incidents import changed_book_incident
from tradegraph_dagster.domain.orders.intents import in_sending_order
from tradegraph_dagster.domain.orders.order_machine import BOOK_CHANGED, NEEDED_MISSES, REFUSED
from tradegraph_dagster.domain.orders.pace import Pace
from tradegraph_dagster.domain.orders.schema import EventSource, OrderRecord, OrderStatus
from tradegraph_dagster.domain.orders.sending import (
    Sender,
    SubmissionPolicy,
    SubmissionPorts,
    stop,
)
from tradegraph_dagster.domain.orders.turn import Turn

TO_RECOVER = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})
_TO_DO = TO_RECOVER | {OrderStatus.INTENT, OrderStatus.PENDING_CANCEL}

# An order while its fate is open, and what stops the sending.
_Fate = tuple[OrderRecord | None, TradeGraphError | None]


@dataclass(slots=True)
class Submission:
    """What a run came to.

    Attributes:
        cause: What stopped it; None where it went through.
        sent: Ids for which a call went out, in order; one that was resent is there twice.
        recovered: Ids that the broker turned out to have.
        not_sent: Ids that a dry run would have sent.
    """

    cause: TradeGraphError | None = None
    sent: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    not_sent: list[str] = field(default_factory=list)


def submit_orders(
    records: Sequence[OrderRecord],
    ports: SubmissionPorts,
    policy: SubmissionPolicy,
    *,
    deadline: datetime | None,
    stale: Mapping[str, str] | None = None,
) -> Submission:
    """Recover and send the orders of one session.

    Args:
        records: As the ledger has them.
        ports: The ledger, the broker and time.
        policy: How far to go, and how patient to be.
        deadline: From here on nothing is sent: what was not is DENIED. None for a replay.
        stale: Order -> why the book does not bear it any more. One that never left ends so.

    Raises:
        StoreUnavailable: The ledger is gone; whatever it last heard of is recovered later.
    """
    run = _Run(ports, policy, deadline, records)
    run.stale = stale or {}
    to_do = [one for one in records if one.status in _TO_DO]
    if to_do:
        run.go_through(in_sending_order(to_do))
    return run.outcome


class _Run:
    def __init__(
        self,
        ports: SubmissionPorts,
        policy: SubmissionPolicy,
        deadline: datetime | None,
        records: Sequence[OrderRecord],
    ) -> None:
        self.outcome = Submission()
        self.stale: Mapping[str, str] = {}
        self._ports = ports
        self._policy = policy
        self._turn = Turn(
            ports.books.leases,
            ports.stopwatch,
            holder=ports.holder,
            lease_seconds=policy.lease_seconds,
            patience_seconds=policy.patience_seconds,
        )
        pace = _pace(ports, policy, records)
        self._sender = Sender(ports, policy, self._turn, deadline, pace, self.outcome.sent)
        # Order -> the stopwatch when this run first asked about it since its newest call.
        self._asked_since: dict[str, float] = {}

    def go_through(self, records: Sequence[OrderRecord]) -> None:
        if not self._turn.begin():
            self.outcome.cause = stop(records[0].intent, "another run is sending; wait for its end")
            return
        try:
            self.outcome.cause = self._recover(
                [one for one in records if one.status in TO_RECOVER]
            ) or self._follow_cancels(records)
            for record in records:
                if record.status is not OrderStatus.INTENT:
                    continue
                if self._sender.is_too_late and not self._sender.is_dry:
                    self._deny(record)
                elif self.outcome.cause is None:
                    self.outcome.cause = self._send_intent(record)
            held_back = next(iter(self._sender.blocked.values()), None)
            self.outcome.cause = self.outcome.cause or held_back
        finally:
            self._turn.end()

    def _send_intent(self, record: OrderRecord) -> TradeGraphError | None:
        sender, name = self._sender, record.intent.client_order_id
        if sender.is_dry:
            self.outcome.not_sent.append(name)
            return sender.refusal(record.intent)
        if name in self.stale:
            self._expire(record, OrderStatus.DENIED)
            return None
        if not sender.keep_pace():
            return stop(record.intent, "another run is sending; wait for its end")
        if sender.is_too_late:
            self._deny(record)
            return None
        cause = sender.send(record)
        fresh = self._ports.books.orders.order(name)
        if cause is None and fresh is not None and fresh.status in TO_RECOVER:
            return self._recover([fresh])
        return cause

    def _deny(self, record: OrderRecord) -> None:
        reason = f"not sent by {self._sender.deadline}"
        self._sender.say(record.intent, OrderStatus.DENIED, reason)

    def _expire(self, record: OrderRecord, status: OrderStatus) -> None:
        """End an order that never left, and that the book does not bear any more."""
        reason = self.stale[record.intent.client_order_id]
        incident = changed_book_incident(record.intent, reason)
        self._ports.books.incidents.raise_incidents([incident])
        self._sender.say(record.intent, status, f"{BOOK_CHANGED}{reason}")

    def _recover(self, records: Sequence[OrderRecord]) -> TradeGraphError | None:
        """Ask until the fate of each is known: all of them in one round, then wait for the next."""
        for record in records:
            self._asked_since[record.intent.client_order_id] = self._ports.stopwatch.seconds()
        waiting = list(records)
        while waiting:
            left: list[OrderRecord] = []
            latest: TradeGraphError | None = None
            for record in waiting:
                after, cause = self._ask(record)
                if cause is not None and not isinstance(cause, BrokerUnavailable):
                    return cause
                latest = cause or latest
                left += [after] if after is not None else []
            waiting = left
            if waiting and not self._turn.wait(self._policy.spacing_seconds):
                return latest or _still_unknown(waiting[0])
        return None

    def _follow_cancels(self, records: Sequence[OrderRecord]) -> TradeGraphError | None:
        """Ask once what became of each cancel that was asked for."""
        for record in records:
            if record.status is not OrderStatus.PENDING_CANCEL:
                continue
            name = record.intent.client_order_id
            try:
                known = self._ports.broker.order(name)
            except BrokerUnavailable as error:
                return error
            if known is None:
                self._ports.books.orders.record_miss(name)
                continue
            _, cause = self._sender.take_over(record, known, EventSource.RECOVERY)
            if cause is not None:
                return cause
        return None

    def _ask(self, record: OrderRecord) -> _Fate:
        """One question; the order comes back while its fate is open."""
        name = record.intent.client_order_id
        try:
            known = self._ports.broker.order(name)
        except BrokerUnavailable as error:
            return record, error
        if known is not None:
            after, cause = self._sender.take_over(record, known, EventSource.RECOVERY)
            if after.status in TO_RECOVER:
                return after, cause
            self.outcome.recovered.append(name)
            return None, cause
        missed = self._ports.books.orders.record_miss(name)
        if self._sender.is_dry:
            self.outcome.not_sent.append(name)
            return None, None
        return self._settle(missed) if self._never_arrived(record, missed) else (missed, None)

    def _settle(self, record: OrderRecord) -> _Fate:
        """What becomes of an order that never arrived: no call of the past can bring it any more.

        Where its newest call was refused it is as good as refused at the first; where the book
        bears it, it is sent again.
        """
        if record.reason.startswith(REFUSED):
            self._sender.say(record.intent, OrderStatus.REJECTED, record.reason)
            return None, None
        if record.intent.client_order_id in self.stale:
            # Not DENIED: should it turn up after all, its fills are late ones.
            self._expire(record, OrderStatus.EXPIRED)
            return None, None
        return (record, None) if self._sender.is_too_late else self._resend(record)

    def _never_arrived(self, before: OrderRecord, missed: OrderRecord) -> bool:
        """Whether the grace is over, by the ledger's time or by this run's own waiting."""
        policy = self._policy
        waited = self._ports.stopwatch.seconds() - self._asked_since[before.intent.client_order_id]
        if missed.missed_at is None or missed.misses < NEEDED_MISSES:
            return False
        if waited >= policy.grace_seconds:
            return True
        if before.missed_at is None or missed.sent_at is None:
            return False
        apart = (missed.missed_at - before.missed_at).total_seconds()
        since_call = (missed.missed_at - missed.sent_at).total_seconds()
        return apart >= policy.spacing_seconds and since_call >= policy.grace_seconds

    def _resend(self, record: OrderRecord) -> _Fate:
        name = record.intent.client_order_id
        if not self._sender.keep_pace():
            return record, stop(record.intent, "another run is sending; wait for its end")
        if self._sender.is_too_late:
            return record, None
        cause = self._sender.send(record)
        self._asked_since[name] = self._ports.stopwatch.seconds()
        if name in self._sender.blocked:
            return None, cause
        fresh = self._ports.books.orders.order(name) or record
        return (fresh if fresh.status in TO_RECOVER else None), cause


def _pace(ports: SubmissionPorts, policy: SubmissionPolicy, records: Sequence[OrderRecord]) -> Pace:
    """With the calls that an earlier run made, their age by the wall clock."""
    now, seconds = ports.clock.now(), ports.stopwatch.seconds()
    calls = [one.sent_at for one in records if one.sent_at is not None]
    return Pace(
        max_per_second=policy.max_per_second,
        max_per_minute=policy.max_per_minute,
        # A clock that was set back makes no call a future one.
        calls=[seconds - max((now - at).total_seconds(), 0.0) for at in calls],
    )


def _still_unknown(record: OrderRecord) -> OrderStateUnknown:
    said = f" ({record.reason})" if record.reason else ""
    return stop(
        record.intent,
        f"not known yet whether it arrived{said}; materialise orders again in a minute, which asks "
        "the broker and never sends it under another id",
    )
