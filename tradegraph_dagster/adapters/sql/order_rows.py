"""Orders as rows, and what they bind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from tradegraph_dagster.adapters.sql.bulk_rows import insert_rows
from tradegraph_dagster.adapters.sql.tables import ORDERS, RESERVATIONS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.bookkeeping import bound_cash
from tradegraph_dagster.domain.orders.schema import (
    EventSource,
    OrderIntent,
    OrderRecord,
    OrderStatus,
)

# Below SQLite's limit of bound values in one statement.
IDS_A_QUERY = 500

_INTENT = tuple(OrderIntent.__dataclass_fields__)
_STATE = tuple(name for name in OrderRecord.__dataclass_fields__ if name != "intent")

# Built once: composing a statement costs more than running it.
_UPDATE_ORDER = (
    update(ORDERS)
    .where(ORDERS.c.market == bindparam("of_market"), ORDERS.c.client_order_id == bindparam("name"))
    .values({name: bindparam(name) for name in _STATE})
)
_MY_RESERVATION = (
    RESERVATIONS.c.market == bindparam("of_market"),
    RESERVATIONS.c.client_order_id == bindparam("name"),
)
_UPDATE_RESERVATION = (
    update(RESERVATIONS)
    .where(*_MY_RESERVATION)
    .values(cash=bindparam("cash"), shares=bindparam("shares"))
)
_DELETE_RESERVATION = delete(RESERVATIONS).where(*_MY_RESERVATION)


def insert_orders(
    connection: Connection, records: Sequence[OrderRecord], bound: Sequence[Decimal]
) -> None:
    """Store new orders, and what the open ones among them bind.

    Args:
        connection: Holds the market's lock.
        records: The orders.
        bound: Cash that each of them binds, as a whole.
    """
    insert_rows(connection, ORDERS, [_to_row(record) for record in records])
    reserved = [
        {
            "market": record.intent.market,
            "client_order_id": record.intent.client_order_id,
            "symbol": record.intent.symbol,
            "cash": cash,
            "whole_cash": cash,
            "shares": _open_sale(record),
        }
        for record, cash in zip(records, bound, strict=True)
        if not record.status.is_terminal
    ]
    insert_rows(connection, RESERVATIONS, reserved)


def update_orders(connection: Connection, records: Sequence[OrderRecord]) -> None:
    """Store the new state of orders; what has ended binds nothing any more."""
    if records:
        connection.execute(_UPDATE_ORDER, [_key(record) | _state(record) for record in records])
    ended = [_key(record) for record in records if record.status.is_terminal]
    if ended:
        connection.execute(_DELETE_RESERVATION, ended)


def shrink_reservations(
    connection: Connection, market: str, records: Sequence[OrderRecord]
) -> None:
    """Have open orders bind what is left of them after their fills."""
    working = {record.intent.client_order_id: record for record in records}
    names, changes = sorted(working), []
    for start in range(0, len(names), IDS_A_QUERY):
        query = select(RESERVATIONS.c.client_order_id, RESERVATIONS.c.whole_cash).where(
            RESERVATIONS.c.market == market,
            RESERVATIONS.c.client_order_id.in_(names[start : start + IDS_A_QUERY]),
        )
        for row in connection.execute(query):
            record = working[row.client_order_id]
            cash = bound_cash(row.whole_cash, record.intent.quantity_shares, record.filled_shares)
            changes.append(_key(record) | {"cash": cash, "shares": _open_sale(record)})
    if changes:
        connection.execute(_UPDATE_RESERVATION, changes)


def read_order(connection: Connection, market: str, client_order_id: str) -> OrderRecord | None:
    """The order that the connection sees."""
    query = select(ORDERS).where(
        ORDERS.c.market == market, ORDERS.c.client_order_id == client_order_id
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else row_to_order(row)


def read_orders(
    connection: Connection, market: str, client_order_ids: Iterable[str]
) -> dict[str, OrderRecord]:
    """Those of the orders that exist, by client order id."""
    names = sorted(client_order_ids)
    found: dict[str, OrderRecord] = {}
    for start in range(0, len(names), IDS_A_QUERY):
        query = select(ORDERS).where(
            ORDERS.c.market == market,
            ORDERS.c.client_order_id.in_(names[start : start + IDS_A_QUERY]),
        )
        for row in connection.execute(query):
            found[row.client_order_id] = row_to_order(row)
    return found


def row_to_order(row: Row[Any]) -> OrderRecord:
    """The order of a row."""
    intent = {name: getattr(row, name) for name in _INTENT}
    state = {name: getattr(row, name) for name in _STATE}
    state["status"] = OrderStatus(state["status"])
    state["source"] = None if state["source"] is None else EventSource(state["source"])
    return OrderRecord(OrderIntent(**{**intent, "side": Side(intent["side"])}), **state)


def _key(record: OrderRecord) -> dict[str, Any]:
    return {"of_market": record.intent.market, "name": record.intent.client_order_id}


def _to_row(record: OrderRecord) -> dict[str, Any]:
    row = {name: getattr(record.intent, name) for name in _INTENT}
    row["side"] = record.intent.side.value
    return row | _state(record)


def _state(record: OrderRecord) -> dict[str, Any]:
    state = {name: getattr(record, name) for name in _STATE}
    state["status"] = record.status.value
    state["source"] = None if record.source is None else record.source.value
    return state


def _open_sale(record: OrderRecord) -> int:
    if record.intent.side is Side.BUY:
        return 0
    return max(record.intent.quantity_shares - record.filled_shares, 0)
