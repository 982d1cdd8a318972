"""Differences between our orders and the broker's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tradegraph_dagster.domain.core.ids import ORDER_PREFIX
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.order_machine import NEVER_SENT
from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    Fill,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.reconciliation.schema import (
    Break,
    BreakKind,
    BrokerView,
    LedgerView,
)

_REFUSED = frozenset({OrderStatus.DENIED, OrderStatus.REJECTED})


def order_breaks(ledger: LedgerView, broker: BrokerView) -> list[Break]:
    """Orders nobody sent or everybody refused, still open, filled too far or without executions.

    Both sides may agree on such fills; an order that must not have traded is a break all the same.
    """
    here, there = _count_shares(ledger.fills), _count_shares(broker.fills)
    breaks = _orphans(ledger, broker)
    for record in ledger.orders:
        if record.intent.session > broker.statement.session:
            continue
        theirs = broker.orders.get(record.intent.client_order_id)
        kinds = [_order_kind(record, theirs)]
        traded = record.filled_shares
        if record.intent.session == broker.statement.session:
            # Executions of other sessions are not at hand.
            executed = there[record.intent.client_order_id]
            traded = max(here[record.intent.client_order_id], executed, traded)
            kinds.append(_traded_kind(record, theirs, traded))
            if theirs is not None and theirs.filled_shares != executed:
                kinds.append(BreakKind.MISSING_FILL)
        found = [kind for kind in dict.fromkeys(kinds) if kind is not None]
        breaks.extend(_order_break(kind, record, theirs, traded) for kind in found)
    return breaks


def describe_fill(fill: Fill | None) -> str:
    """A fill in words."""
    if fill is None:
        return "no such execution"
    busts = f", takes back {fill.busts}" if fill.busts else ""
    return (
        f"{fill.side} {fill.quantity_shares} at {fill.price} fee {fill.fee} "
        f"for {fill.client_order_id}{busts}"
    )


def _count_shares(fills: Sequence[Fill]) -> Counter[str]:
    """Client order id -> shares traded, less what was taken back."""
    shares: Counter[str] = Counter()
    for fill in fills_in_force(fills):
        shares[fill.client_order_id] += fill.quantity_shares
    return shares


def _orphans(ledger: LedgerView, broker: BrokerView) -> list[Break]:
    """Orders under our name that the ledger lacks: they filled, or may still fill."""
    known = {record.intent.client_order_id for record in ledger.orders}
    fills = {fill.client_order_id: fill for fill in (*ledger.fills, *broker.fills)}
    working = {
        order.client_order_id: order
        for order in broker.statement.open_orders
        if order.client_order_id.startswith(ORDER_PREFIX)
    }
    return [
        Break(BreakKind.ORPHAN_ORDER, symbol, name, "no such order", found)
        for name, symbol, found in (
            *((name, fill.symbol, describe_fill(fill)) for name, fill in fills.items()),
            *(
                (name, order.symbol, _describe_order(order))
                for name, order in working.items()
                if name not in fills
            ),
        )
        if name not in known
    ]


def _order_kind(record: OrderRecord, theirs: BrokerOrder | None) -> BreakKind | None:
    if theirs is not None and record.status in NEVER_SENT:
        return BreakKind.ORPHAN_ORDER
    if theirs is None and not _may_be_unknown(record):
        return BreakKind.STALE_ORDER
    done_here = record.status.is_terminal or record.filled_shares >= record.intent.quantity_shares
    done_there = (
        theirs is None
        or theirs.status.is_terminal
        or theirs.filled_shares >= theirs.quantity_shares
    )
    return None if done_here and done_there else BreakKind.STALE_ORDER


def _may_be_unknown(record: OrderRecord) -> bool:
    """Whether the broker need not know it: never sent, refused, or sent and never seen there."""
    never_seen = not record.broker_order_id and not record.filled_shares
    return (
        record.status in NEVER_SENT
        or record.status is OrderStatus.REJECTED
        or (record.status is OrderStatus.EXPIRED and never_seen)
    )


def _traded_kind(record: OrderRecord, theirs: BrokerOrder | None, traded: int) -> BreakKind | None:
    """What is wrong with the shares of an order, whether or not both sides agree on them."""
    ordered = record.intent.quantity_shares
    shares = traded if theirs is None else max(traded, theirs.filled_shares)
    if theirs is not None and _is_another(record, theirs):
        return BreakKind.ORPHAN_ORDER
    statuses = {record.status} if theirs is None else {record.status, theirs.status}
    if shares and statuses & _REFUSED:
        return BreakKind.ORPHAN_ORDER
    if shares > ordered or (theirs is not None and theirs.quantity_shares != ordered):
        return BreakKind.QTY_MISMATCH
    return None


def _is_another(record: OrderRecord, theirs: BrokerOrder) -> bool:
    """Whether the broker has our id with another symbol or direction."""
    ours = record.intent
    return theirs.symbol not in ("", ours.symbol) or theirs.side not in (None, ours.side)


def _order_break(
    kind: BreakKind, record: OrderRecord, theirs: BrokerOrder | None, traded: int
) -> Break:
    intent = record.intent
    expected = (
        f"{record.status}, filled {record.filled_shares} of {intent.quantity_shares}, "
        f"executions of {traded}"
    )
    found = "no such order" if theirs is None else _describe_order(theirs)
    return Break(kind, intent.symbol, intent.client_order_id, expected, found)


def _describe_order(order: BrokerOrder) -> str:
    return f"{order.status}, filled {order.filled_shares} of {order.quantity_shares}"
