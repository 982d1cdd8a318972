"""Orders, what was said of them, and the last look before each call to the broker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from tradegraph_dagster.adapters.sql.audit_log import Act, Ledger
from tradegraph_dagster.adapters.sql.incident_rows import read_open_incidents
from tradegraph_dagster.adapters.sql.kill_switch import read_halt
from tradegraph_dagster.adapters.sql.lease_book import lease_details, read_lease
from tradegraph_dagster.adapters.sql.live_lock_book import read_live_lease
from tradegraph_dagster.adapters.sql.order_rows import read_order, row_to_order, update_orders
from tradegraph_dagster.adapters.sql.reconciliation_book import read_newest_reconciliation
from tradegraph_dagster.adapters.sql.tables import ORDER_EVENTS, ORDERS
from tradegraph_dagster.domain.access.live_lock import breaks_refusal, sending_refusal
from tradegraph_dagster.domain.audit.events import ORDER_SUBMITTING
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.texts import fitting_id
from tradegraph_dagster.domain.orders.bookkeeping import (
    event_change,
    incident_barrier,
    send_permit,
    sent_again,
)
from tradegraph_dagster.domain.orders.order_machine import Transition, event_to_transition
from tradegraph_dagster.domain.orders.schema import (
    EventSource,
    Lease,
    OrderEvent,
    OrderRecord,
    OrderStatus,
    SendPermit,
    SendVerdict,
    StoredEvent,
    Venue,
)

_EVENT = tuple(OrderEvent.__dataclass_fields__)
_LONGEST_BROKER_ID = 128


class SqlOrderBook:
    """An OrderBook of one market, and its OrderEventLog."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def orders(self, session: date) -> Sequence[OrderRecord]:
        """Orders of a session, by client order id."""
        query = select(ORDERS).where(
            ORDERS.c.market == self._ledger.market, ORDERS.c.session == session
        )
        with self._ledger.reading() as connection:
            records = [row_to_order(row) for row in connection.execute(query)]
        # Databases collate text differently; Python does not.
        return sorted(records, key=lambda record: record.intent.client_order_id)

    def order(self, client_order_id: str) -> OrderRecord | None:
        """One order."""
        with self._ledger.reading() as connection:
            return read_order(connection, self._ledger.market, client_order_id)

    def events(self, client_order_id: str) -> Sequence[StoredEvent]:
        """Everything that was said of an order, as it was recorded."""
        with self._ledger.reading() as connection:
            return _read_events(connection, self._ledger.market, client_order_id)

    def begin_sending(
        self, client_order_id: str, expected: OrderStatus, *, lease: Lease, venue: Venue
    ) -> SendPermit:
        """The last look before a call; whoever engages the kill switch waits for it, or it waits.

        Only GO changes anything. It is an act, and so is every refusal but that of an order that
        has moved on.
        """
        with self._ledger.writing() as act:
            now, market = self._ledger.clock.now(), self._ledger.market
            record = read_order(act.connection, market, client_order_id)
            permit = send_permit(
                record,
                expected,
                leases=(lease, read_lease(act.connection, market, lease.name)),
                barriers=(
                    (SendVerdict.HALTED, read_halt(act.connection, market)),
                    (SendVerdict.UNARMED, self._live_refusal(act.connection, venue) or None),
                    (
                        SendVerdict.BLOCKED,
                        incident_barrier(read_open_incidents(act.connection, market), record),
                    ),
                ),
                now=act.lease_time(),
            )
            if record is None or permit.verdict is SendVerdict.MOVED:
                return permit
            details = {
                "client_order_id": client_order_id,
                "from": expected.value,
                "host": venue.host,
                "is_live": venue.is_live,
                **lease_details(lease),
            }
            if permit.verdict is SendVerdict.GO:
                update_orders(act.connection, [sent_again(record, now)])
                act.append(ORDER_SUBMITTING, details=details)
            else:
                details |= {"verdict": permit.verdict.value, "reason": permit.reason}
                act.append("order_held_back", details=details)
        return permit

    def apply(self, event: OrderEvent) -> Transition:
        """Store an event, and move the order if the machine allows it."""
        clean = self._ledger.clean
        cleaned = replace(
            event,
            broker_order_id=fitting_id(event.broker_order_id, _LONGEST_BROKER_ID),
            reason=clean(event.reason),
            raw=clean(event.raw),
        )
        with self._ledger.writing() as act:
            record = self._existing(act.connection, event.client_order_id)
            transition = event_to_transition(record, cleaned)
            stored = _read_events(act.connection, self._ledger.market, event.client_order_id)
            after = event_change(record, cleaned, transition, stored)
            if after is not None:
                self._store(act, StoredEvent(cleaned, act.ledger.clock.now(), transition.refusal))
                if after != record:
                    update_orders(act.connection, [after])
                act.append(_event_name(transition), details=_to_details(cleaned, transition))
        return transition

    def record_miss(self, client_order_id: str) -> OrderRecord:
        """Keep that the broker says it never saw the order."""
        with self._ledger.writing() as act:
            record = self._existing(act.connection, client_order_id)
            now = self._ledger.clock.now()
            after = replace(record, misses=record.misses + 1, missed_at=now)
            update_orders(act.connection, [after])
            details = {"client_order_id": client_order_id, "misses": after.misses}
            act.append("order_missed", details=details)
        return after

    def _existing(self, connection: Connection, client_order_id: str) -> OrderRecord:
        record = read_order(connection, self._ledger.market, client_order_id)
        if record is None:
            raise InvariantBroken(f"no order {client_order_id}", table="orders")
        return record

    def _live_refusal(self, connection: Connection, venue: Venue) -> str:
        if not venue.is_live:
            return ""
        market = self._ledger.market
        shut = sending_refusal(
            read_live_lease(connection, market),
            host=venue.host,
            account=venue.account,
            now=self._ledger.clock.now(),
        )
        newest = read_newest_reconciliation(connection, market)
        return shut or breaks_refusal(None if newest is None else newest[1])

    def _store(self, act: Act, stored: StoredEvent) -> None:
        row = {
            **asdict(stored.event),
            "market": self._ledger.market,
            "status": stored.event.status.value,
            "source": stored.event.source.value,
            "recorded_at": stored.recorded_at,
            "refusal": stored.refusal,
        }
        act.connection.execute(insert(ORDER_EVENTS), row)


def _read_events(connection: Connection, market: str, client_order_id: str) -> list[StoredEvent]:
    query = (
        select(ORDER_EVENTS)
        .where(ORDER_EVENTS.c.market == market, ORDER_EVENTS.c.client_order_id == client_order_id)
        .order_by(ORDER_EVENTS.c.id)
    )
    return [_to_stored(row) for row in connection.execute(query)]


def _to_stored(row: Row[Any]) -> StoredEvent:
    fields = {name: getattr(row, name) for name in _EVENT}
    fields |= {"status": OrderStatus(row.status), "source": EventSource(row.source)}
    return StoredEvent(OrderEvent(**fields), row.recorded_at, row.refusal)


def _event_name(transition: Transition) -> str:
    if transition.refusal:
        return "order_event_refused"
    return f"order_{transition.after.value}" if transition.is_change else "order_event"


def _to_details(event: OrderEvent, transition: Transition) -> dict[str, Any]:
    return {
        "client_order_id": event.client_order_id,
        "from": transition.before.value,
        "status": event.status.value,
        "source": event.source.value,
        "broker_order_id": event.broker_order_id,
        "filled_shares": event.filled_shares,
        "reason": event.reason,
        "refusal": transition.refusal,
        "raw_sha256": hashlib.sha256(event.raw.encode()).hexdigest(),
    }
