"""Fills, bookings and cash as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select

from tradegraph_dagster.adapters.sql.order_rows import IDS_A_QUERY, read_orders
from tradegraph_dagster.adapters.sql.tables import BOOKINGS, CASH_ENTRIES, FILLS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.admission import Admitted
from tradegraph_dagster.domain.orders.executions import ExecutionPlan, KnownExecutions
from tradegraph_dagster.domain.orders.schema import Booking, Fill

_FILL = tuple(Fill.__dataclass_fields__)
_BOOKING = tuple(Booking.__dataclass_fields__)


def read_known(connection: Connection, market: str, offered: Admitted) -> KnownExecutions:
    """What is stored of everything that is offered."""
    fills, bookings = offered.fills, offered.bookings
    names = {fill.client_order_id for fill in fills}
    ids = {fill.execution_id for fill in fills} | {fill.busts for fill in fills if fill.busts}
    near = {
        row.id: row_to_fill(row)
        for column, values in (("client_order_id", names), ("execution_id", ids))
        for row in rows_with(connection, FILLS, (market, column), values)
    }
    ids |= {fill.execution_id for fill in near.values()}
    for row in rows_with(connection, FILLS, (market, "busts"), ids):
        near[row.id] = row_to_fill(row)
    booked = {booking.booking_id for booking in bookings}
    rows = rows_with(connection, BOOKINGS, (market, "booking_id"), booked)
    return KnownExecutions(
        fills=[near[number] for number in sorted(near)],
        bookings=[row_to_booking(row) for row in rows],
        orders=read_orders(connection, market, names),
    )


def insert_executions(connection: Connection, market: str, plan: ExecutionPlan) -> None:
    """Store the new fills and bookings of a plan, and what they do to the cash."""
    # One by one, because the order of booking is the order of the ids.
    for fill in plan.fills:
        connection.execute(insert(FILLS), {**asdict(fill), "side": fill.side.value})
    for booking in plan.bookings:
        connection.execute(insert(BOOKINGS), asdict(booking))
    if plan.cash:
        entries = [{"market": market, **asdict(entry)} for entry in plan.cash]
        connection.execute(insert(CASH_ENTRIES), entries)


def row_to_fill(row: Row[Any]) -> Fill:
    """The fill of a row."""
    return Fill(**{**{name: getattr(row, name) for name in _FILL}, "side": Side(row.side)})


def row_to_booking(row: Row[Any]) -> Booking:
    """The booking of a row."""
    return Booking(**{name: getattr(row, name) for name in _BOOKING})


def rows_with(
    connection: Connection, table: Table, where: tuple[str, str], values: Iterable[str]
) -> list[Row[Any]]:
    """Rows of a market whose column has one of the values, in the order of their last key.

    Args:
        connection: Sees what is stored.
        table: With a key whose last column says what came first.
        where: Market and column.
        values: Of the column.
    """
    market, column = where
    wanted = sorted(values)
    order = list(table.primary_key)[-1]
    rows: list[Row[Any]] = []
    for start in range(0, len(wanted), IDS_A_QUERY):
        some = wanted[start : start + IDS_A_QUERY]
        query = select(table).where(table.c.market == market, table.c[column].in_(some))
        rows += connection.execute(query.order_by(order)).all()
    return rows
