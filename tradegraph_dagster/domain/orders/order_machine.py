"""The states of an order as a table.

    INTENT -> SUBMITTING -> ACKED -> PARTIAL -> FILLED
                 |  |         |         |
                 |  +-> UNKNOWN         +-> EXPIRED, CANCELED
                 +-> REJECTED

An intent that never reached the broker ends DENIED; every order that did ends FILLED, REJECTED,
CANCELED or EXPIRED. Filled shares are a fact of their own, folded from fills: a late fill of a
canceled or expired order counts, and completes it. The rank of a status never falls.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderRecord, OrderStatus

_ANSWERS = frozenset(
    {
        OrderStatus.ACKED,
        OrderStatus.PARTIAL,
        OrderStatus.FILLED,
        OrderStatus.REJECTED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.DENIED,
    }
)

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.INTENT: frozenset({OrderStatus.SUBMITTING, OrderStatus.DENIED}),
    OrderStatus.SUBMITTING: _ANSWERS | {OrderStatus.UNKNOWN},
    OrderStatus.UNKNOWN: _ANSWERS,
    OrderStatus.ACKED: _ANSWERS - {OrderStatus.ACKED, OrderStatus.DENIED},
    OrderStatus.PARTIAL: frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED}),
    OrderStatus.CANCELED: frozenset({OrderStatus.FILLED}),
    OrderStatus.EXPIRED: frozenset({OrderStatus.FILLED}),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.DENIED: frozenset(),
}

RANK: dict[OrderStatus, int] = {
    OrderStatus.INTENT: 0,
    OrderStatus.SUBMITTING: 1,
    OrderStatus.UNKNOWN: 2,
    OrderStatus.ACKED: 3,
    OrderStatus.PARTIAL: 4,
    OrderStatus.REJECTED: 5,
    OrderStatus.DENIED: 5,
    OrderStatus.CANCELED: 5,
    OrderStatus.EXPIRED: 5,
    OrderStatus.FILLED: 6,
}


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of a wish to move: the status afterwards, and why it was refused if it was."""

    before: OrderStatus
    after: OrderStatus
    reason: str = ""
    refusal: str = ""

    @property
    def is_change(self) -> bool:
        """Whether there is anything to store."""
        return self.before is not self.after


def transition(before: OrderStatus, wanted: OrderStatus, reason: str = "") -> Transition:
    """Move if the table allows it; a repeated status is no change, an illegal one is refused."""
    if before is wanted or wanted in TRANSITIONS[before]:
        return Transition(before, wanted, reason)
    return Transition(before, before, refusal=f"an order that is {before} cannot become {wanted}")


def closing_transition(record: OrderRecord, known: BrokerOrder | None) -> Transition:
    """What an order is once its session has closed and its fills are booked.

    Args:
        record: As the ledger has it, with its filled shares.
        known: What the broker says; None if it never saw the order.
    """
    wanted = record.intent.quantity_shares
    if record.filled_shares >= wanted:
        return transition(record.status, OrderStatus.FILLED)
    if record.status.is_terminal:
        return transition(record.status, record.status)
    if record.status is OrderStatus.INTENT:
        return transition(record.status, OrderStatus.DENIED, "not sent before the close")
    unseen = known is None and record.filled_shares == 0
    if unseen and record.status in (OrderStatus.SUBMITTING, OrderStatus.UNKNOWN):
        return transition(record.status, OrderStatus.DENIED, "never reached the broker")
    ended = known.status if known is not None and known.status.is_terminal else OrderStatus.EXPIRED
    if ended is OrderStatus.FILLED:
        # The broker says more than its executions show; the shares decide, the break is reported.
        ended = OrderStatus.EXPIRED
    said = f": {known.reason}" if known is not None and known.reason else ""
    return transition(
        record.status, ended, f"filled {record.filled_shares} of {wanted} by the close{said}"
    )
