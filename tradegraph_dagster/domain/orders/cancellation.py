"""Taking back what has not filled yet: best effort, and everything that failed is reported.

No gate holds a cancel back, and none liquidates anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from tradegraph_dagster.domain.core.errors import (
    BrokerError,
    ConfigError,
    InvariantBroken,
    StoreError,
    TradingHalted,
)
from tradegraph_dagster.domain.orders.ports import Broker, OrderBook, TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    EventSource,
    OrderEvent,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.orders.sending import answer_to_event

# At the broker, as far as we know.
_ASKABLE = frozenset({OrderStatus.ACKED, OrderStatus.PARTIAL})
_CANCELABLE = _ASKABLE | {
    OrderStatus.PENDING_CANCEL,
    OrderStatus.SUBMITTING,
    OrderStatus.UNKNOWN,
}


@dataclass(frozen=True)
class CancelReport:
    """What became of each working order, by client order id.

    Attributes:
        ended: Orders that can fill no more, with their status.
        asked: Orders whose cancel is under way; they may still fill.
        failed: Orders that could not be canceled, with the reason; they may still fill.
        unwritten: Orders of which the ledger took no note, whatever became of them, with the
            reason; reconciliation makes up for it.
    """

    ended: dict[str, OrderStatus]
    asked: tuple[str, ...]
    failed: dict[str, str]
    unwritten: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> str:
        """How many of each, in words."""
        counts = (
            f"{len(self.ended)} orders ended, {len(self.asked)} cancels under way, "
            f"{len(self.failed)} failed"
        )
        return f"{counts}, {len(self.unwritten)} not in the ledger" if self.unwritten else counts


def cancelable(books: TradingBooks, session: date) -> list[OrderRecord]:
    """Every order of the ledger that may still fill at the broker.

    Raises:
        StoreUnavailable: The ledger cannot say which orders are working.
    """
    working = books.decisions.commitments(session).working
    return [record for record in working if record.status in _CANCELABLE]


def cancel_open(books: TradingBooks, broker: Broker, *, session: date, reason: str) -> CancelReport:
    """Ask the broker to cancel every order that may still fill; one that fails holds up no other.

    That a cancel was asked for is in the ledger before the call, so that a run that dies leaves an
    order PENDING_CANCEL, which recovery and reconciliation follow up. Where nothing was asked after
    all, and that is known, the order goes back to what it was. A ledger that takes no writes, such
    as on a full disk, holds up no cancel: the report says so.

    Args:
        books: The ledger.
        broker: Where the orders are.
        session: The current session.
        reason: Why, for the record.

    Raises:
        StoreUnavailable: The ledger cannot say which orders are working.
    """
    ended: dict[str, OrderStatus] = {}
    asked: list[str] = []
    failed: dict[str, str] = {}
    notes = _Notes(books.orders)
    for record in cancelable(books, session):
        name = record.intent.client_order_id
        try:
            after = _cancel(record, notes, broker, reason)
        except (BrokerError, ConfigError, TradingHalted, InvariantBroken) as error:
            failed[name] = error.message
            continue
        if after is None:
            failed[name] = "the broker says that it never saw it"
        elif after.is_terminal:
            ended[name] = after
        elif after is OrderStatus.PENDING_CANCEL:
            asked.append(name)
        else:
            failed[name] = f"it is {after} at the broker"
    return CancelReport(ended, tuple(asked), failed, notes.refused)


@dataclass
class _Notes:
    """What is written of cancels; `refused` has what the ledger did not take, by order."""

    orders: OrderBook
    refused: dict[str, str] = field(default_factory=dict)

    def apply(self, event: OrderEvent) -> OrderStatus:
        """Store an event; where the ledger takes none, the order is as the event says."""
        try:
            return self.orders.apply(event).after
        except StoreError as error:
            self.refused.setdefault(event.client_order_id, error.message)
            return event.status

    def record_miss(self, name: str) -> None:
        """Keep that the broker never saw an order."""
        try:
            self.orders.record_miss(name)
        except StoreError as error:
            self.refused.setdefault(name, error.message)


def _cancel(record: OrderRecord, notes: _Notes, broker: Broker, reason: str) -> OrderStatus | None:
    name = record.intent.client_order_id
    if record.status in _ASKABLE:
        wish = OrderEvent(
            name, OrderStatus.PENDING_CANCEL, EventSource.SUBMISSION, reason=f"cancel: {reason}"
        )
        notes.apply(wish)
    try:
        answer = broker.cancel(name)
    except TradingHalted as error:
        if record.status in _ASKABLE:
            unasked = f"the cancel was not asked for: {error.message}"
            notes.apply(OrderEvent(name, record.status, EventSource.SUBMISSION, reason=unasked))
        raise
    if answer is None:
        notes.record_miss(name)
        return None
    return notes.apply(answer_to_event(answer, EventSource.SUBMISSION))
