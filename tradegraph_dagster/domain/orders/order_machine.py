"""The states of an order as a table, and the rules by which events and fills move it.

    INTENT -> SUBMITTING -> ACKED -> PARTIAL -> FILLED
       |         |  |         |         |
       |         |  |         +----+----+-> PENDING_CANCEL -> CANCELED, EXPIRED, FILLED
       |         |  |              |             +-> ACKED, PARTIAL where the cancel was refused
       |         |  |              +-> CANCELED, EXPIRED
       |         |  +-> UNKNOWN -> whatever the broker says of it
       +-> DENIED +-> REJECTED

Status and filled shares are two facts. Shares are folded from fills and never from a status; a fill
counts whatever the status, and one that completes an order makes it FILLED even where it had ended.

Events come late, twice and out of order. One that says what is known changes nothing. One that the
table does not have, or that is older than what is known where it would not raise the rank, is
refused in words: the ledger keeps it and goes on. Nothing here raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeGuard

from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    EventSource,
    OrderEvent,
    OrderRecord,
    OrderStatus,
)

_ANSWERS = frozenset(
    {
        OrderStatus.ACKED,
        OrderStatus.PARTIAL,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.FILLED,
        OrderStatus.REJECTED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
    }
)

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.INTENT: frozenset({OrderStatus.SUBMITTING, OrderStatus.DENIED}),
    OrderStatus.SUBMITTING: _ANSWERS | {OrderStatus.UNKNOWN},
    OrderStatus.UNKNOWN: _ANSWERS,
    OrderStatus.ACKED: _ANSWERS - {OrderStatus.ACKED},
    OrderStatus.PARTIAL: _ANSWERS - {OrderStatus.ACKED, OrderStatus.PARTIAL, OrderStatus.REJECTED},
    OrderStatus.PENDING_CANCEL: _ANSWERS - {OrderStatus.PENDING_CANCEL, OrderStatus.REJECTED},
    OrderStatus.CANCELED: frozenset({OrderStatus.FILLED}),
    OrderStatus.EXPIRED: frozenset({OrderStatus.FILLED}),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.DENIED: frozenset(),
}

# By the precedence of FIX 4.4, with the states of our own before it. FIX puts a pending cancel on
# top, as it is shown while it lasts; here it stands below the ends that it waits for.
RANK: dict[OrderStatus, int] = {
    OrderStatus.INTENT: 0,
    OrderStatus.SUBMITTING: 1,
    OrderStatus.UNKNOWN: 2,
    OrderStatus.ACKED: 3,
    OrderStatus.REJECTED: 3,
    OrderStatus.DENIED: 3,
    OrderStatus.PARTIAL: 4,
    OrderStatus.PENDING_CANCEL: 5,
    OrderStatus.CANCELED: 6,
    OrderStatus.EXPIRED: 6,
    OrderStatus.FILLED: 7,
}

# Nothing of such an order can be at the broker.
NEVER_SENT = frozenset({OrderStatus.INTENT, OrderStatus.DENIED})

# So many answers in a row that the broker never saw an order make it one that never arrived, where
# they came past the grace and apart.
NEEDED_MISSES = 2

# How the reason of an order starts whose newest call was refused, while an earlier one may still
# have arrived.
REFUSED = "the call was refused: "

# How the reason of an order starts that was not sent because of it.
BOOK_CHANGED = "the book changed since the decision: "

# How the reason of an order ends that the broker does not know at the close.
NEVER_SEEN = "the broker never saw it"
LOST = "the broker does not know it any more"

_SOURCE_RANK = {source: rank for rank, source in enumerate(EventSource)}


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of a wish to move: the status afterwards, and why it was refused if it was."""

    before: OrderStatus
    after: OrderStatus
    reason: str = ""
    refusal: str = ""

    @property
    def is_change(self) -> bool:
        """Whether the status moves."""
        return self.before is not self.after


def transition(before: OrderStatus, wanted: OrderStatus, reason: str = "") -> Transition:
    """Move if the table allows it; a repeated status is no change, an illegal one is refused."""
    if before is wanted or wanted in TRANSITIONS[before]:
        return Transition(before, wanted, reason)
    return Transition(before, before, refusal=f"an order that is {before} cannot become {wanted}")


def event_to_transition(record: OrderRecord, event: OrderEvent) -> Transition:
    """What an event makes of an order; its filled shares are never taken over, fills bring those.

    Args:
        record: The order as it stands, with the time and source of the event that moved it last.
        event: What is said of it.
    """
    before = record.status
    if event.client_order_id != record.intent.client_order_id:
        return Transition(before, before, refusal=f"the event is of {event.client_order_id}")
    wanted = _said_status(record, event)
    move = transition(before, wanted, event.reason)
    if move.is_change and wanted is OrderStatus.REJECTED and _is_hearsay(record, event):
        refusal = f"{wanted} after {before} takes the broker's own word: its id or its time"
        return Transition(before, before, refusal=refusal)
    if not move.is_change or RANK[wanted] > RANK[before]:
        return move
    older = _why_older(record, event)
    if older:
        return Transition(before, before, refusal=f"{wanted} after {before} is old news: {older}")
    return move


def fill_to_transition(record: OrderRecord, filled_shares: int) -> Transition:
    """What the sum of its fills makes of an order.

    Fills that complete it make it FILLED, whatever it was. A part makes an open order PARTIAL; a
    cancel that is under way stays so, and an end stays an end. A bust takes shares back and leaves
    the status, which never falls.

    Args:
        record: The order before.
        filled_shares: Sum of its fills in force, afterwards.
    """
    before = record.status
    if filled_shares >= record.intent.quantity_shares:
        return Transition(before, OrderStatus.FILLED)
    if filled_shares > 0 and not before.is_terminal and RANK[before] < RANK[OrderStatus.PARTIAL]:
        return Transition(before, OrderStatus.PARTIAL)
    return Transition(before, before)


def closing_transition(record: OrderRecord, known: BrokerOrder | None) -> Transition:
    """What an order is once its session has closed and its fills are booked.

    One that the broker never saw ends EXPIRED and not DENIED: should it turn up after all, its
    fills are late ones.

    Args:
        record: As the ledger has it, with its filled shares.
        known: What the broker says; None if it never saw the order.
    """
    wanted = record.intent.quantity_shares
    if record.filled_shares >= wanted:
        return fill_to_transition(record, record.filled_shares)
    if record.status.is_terminal:
        return transition(record.status, record.status)
    if record.status is OrderStatus.INTENT:
        return transition(record.status, OrderStatus.DENIED, "not sent before the close")
    ended = known.status if known is not None and known.status.is_terminal else OrderStatus.EXPIRED
    if ended is OrderStatus.FILLED or ended not in TRANSITIONS[record.status]:
        # The broker says more than its executions show; the shares decide, the break is reported.
        ended = OrderStatus.EXPIRED
    said = f": {known.reason}" if known is not None and known.reason else ""
    if known is None:
        said = f": {NEVER_SEEN if RANK[record.status] < RANK[OrderStatus.ACKED] else LOST}"
    return transition(
        record.status, ended, f"filled {record.filled_shares} of {wanted} by the close{said}"
    )


def _said_status(record: OrderRecord, event: OrderEvent) -> OrderStatus:
    """The status that an event means, where its shares say otherwise than its word."""
    filled = max(event.filled_shares or 0, record.filled_shares)
    if event.status is OrderStatus.FILLED and event.filled_shares is not None:
        if filled >= record.intent.quantity_shares:
            return OrderStatus.FILLED
        return OrderStatus.PARTIAL if filled > 0 else OrderStatus.ACKED
    before = record.status
    is_open = RANK[before] < RANK[OrderStatus.ACKED] or before is OrderStatus.PENDING_CANCEL
    if event.status is OrderStatus.ACKED and filled > 0 and is_open:
        return OrderStatus.PARTIAL
    return event.status


def _is_hearsay(record: OrderRecord, event: OrderEvent) -> bool:
    """Whether a refused call says nothing of an order that an earlier call may have brought.

    Where the broker has said since, often enough, that it never saw the order, no call brought it.
    """
    is_told = bool(event.broker_order_id) or event.updated_at is not None
    is_absent = record.misses >= NEEDED_MISSES
    return record.status is not OrderStatus.SUBMITTING and not is_told and not is_absent


def _why_older(record: OrderRecord, event: OrderEvent) -> str:
    """Why the event is older than what is known: shares, else broker's time, else who says it."""
    if event.filled_shares is not None and event.filled_shares != record.filled_shares:
        behind = event.filled_shares < record.filled_shares
        return f"it knows {event.filled_shares} shares of {record.filled_shares}" if behind else ""
    then, now = record.updated_at, event.updated_at
    if _is_instant(then) and _is_instant(now) and then != now:
        return f"it is of {now}, known is {then}" if now < then else ""
    if record.source is not None and _SOURCE_RANK[event.source] < _SOURCE_RANK[record.source]:
        return f"{event.source} says it, {record.source} is known"
    return ""


def _is_instant(value: datetime | None) -> TypeGuard[datetime]:
    return value is not None and value.tzinfo is not None
