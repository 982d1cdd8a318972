"""Fills and bookings, append-only and each stored once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, func, insert, select, update

from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.tables import BOOKINGS, FILLS, ORDERS
from tradegraph_dagster.domain.audit.chain import utc_stamp
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import Booking, Fill

_Execution = TypeVar("_Execution", Fill, Booking)

# Below SQLite's limit of bound values in one statement.
_IDS_A_QUERY = 500


class SqlFillBook:
    """A FillBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record_executions(self, fills: Sequence[Fill], bookings: Sequence[Booking]) -> int:
        """Store what is new, update the orders' filled quantities, return how many were new."""
        _check_market([*fills, *bookings], self._ledger.market)
        with self._ledger.writing() as act:
            known_fills = self._known_fills(act.connection, fills)
            known_bookings = self._known_bookings(act.connection, bookings)
            new_fills = _pick_new(fills, known_fills, table="fills")
            new_bookings = _pick_new(bookings, known_bookings, table="bookings")
            if not new_fills and not new_bookings:
                return 0
            _insert_rows(act.connection, FILLS, new_fills)
            _insert_rows(act.connection, BOOKINGS, new_bookings)
            self._update_filled(act.connection, new_fills)
            act.append(
                "executions_recorded",
                details={
                    "fills": [_fill_details(fill) for fill in new_fills],
                    "bookings": [_booking_details(booking) for booking in new_bookings],
                },
            )
        return len(new_fills) + len(new_bookings)

    def fills(self, through: date) -> Sequence[Fill]:
        """Fills of sessions up to `through`, in order of booking."""
        return [_to_fill(row) for row in self._through(FILLS, through)]

    def bookings(self, through: date) -> Sequence[Booking]:
        """Bookings of sessions up to `through`, in order of booking."""
        return [_to_booking(row) for row in self._through(BOOKINGS, through)]

    def _through(self, table: Table, through: date) -> Sequence[Row[Any]]:
        query = (
            select(table)
            .where(table.c.market == self._ledger.market, table.c.session <= through)
            .order_by(table.c.id)
        )
        with self._ledger.reading() as connection:
            return connection.execute(query).all()

    def _known_fills(self, connection: Connection, fills: Sequence[Fill]) -> dict[Hashable, Fill]:
        ids = [fill.execution_id for fill in fills]
        rows = self._rows_by_id(connection, FILLS, "execution_id", ids)
        return {_identity(fill): fill for fill in map(_to_fill, rows)}

    def _known_bookings(
        self, connection: Connection, bookings: Sequence[Booking]
    ) -> dict[Hashable, Booking]:
        ids = [booking.booking_id for booking in bookings]
        rows = self._rows_by_id(connection, BOOKINGS, "booking_id", ids)
        return {_identity(booking): booking for booking in map(_to_booking, rows)}

    def _rows_by_id(
        self, connection: Connection, table: Table, column: str, ids: Sequence[str]
    ) -> list[Row[Any]]:
        rows: list[Row[Any]] = []
        for start in range(0, len(ids), _IDS_A_QUERY):
            query = select(table).where(
                table.c.market == self._ledger.market,
                table.c[column].in_(ids[start : start + _IDS_A_QUERY]),
            )
            rows.extend(connection.execute(query))
        return rows

    def _update_filled(self, connection: Connection, fills: Sequence[Fill]) -> None:
        filled = (
            select(func.coalesce(func.sum(FILLS.c.quantity_shares), 0))
            .where(
                FILLS.c.market == ORDERS.c.market,
                FILLS.c.client_order_id == ORDERS.c.client_order_id,
            )
            .scalar_subquery()
        )
        for client_order_id in sorted({fill.client_order_id for fill in fills}):
            connection.execute(
                update(ORDERS)
                .where(
                    ORDERS.c.market == self._ledger.market,
                    ORDERS.c.client_order_id == client_order_id,
                )
                .values(filled_shares=filled)
            )


def _check_market(executions: Sequence[Fill | Booking], market: str) -> None:
    for execution in executions:
        if execution.market != market:
            raise InvariantBroken(
                f"this ledger holds {market}, {_identity(execution)} is of {execution.market}",
                session=execution.session,
                symbol=execution.symbol,
            )


def _identity(execution: Fill | Booking) -> tuple[str, str]:
    if isinstance(execution, Fill):
        return execution.broker, execution.execution_id
    return execution.broker, execution.booking_id


def _pick_new(
    offered: Sequence[_Execution], known: dict[Hashable, _Execution], *, table: str
) -> list[_Execution]:
    """What is not stored yet, once each, in the order offered."""
    fresh: list[_Execution] = []
    for execution in offered:
        stored = known.get(_identity(execution))
        if stored is None:
            known[_identity(execution)] = execution
            fresh.append(execution)
        elif stored != execution:
            raise InvariantBroken(
                f"{_identity(execution)} is stored as {stored}, now comes as {execution}; "
                "nothing was stored, ask the broker which one holds",
                table=table,
                session=execution.session,
                symbol=execution.symbol,
            )
    return fresh


def _insert_rows(
    connection: Connection, table: Table, executions: Sequence[Fill] | Sequence[Booking]
) -> None:
    # One by one, because the order of booking is the order of the ids.
    for execution in executions:
        row = asdict(execution)
        if isinstance(execution, Fill):
            row["side"] = execution.side.value
        connection.execute(insert(table).values(row))


def _fill_details(fill: Fill) -> dict[str, Any]:
    return {
        "broker": fill.broker,
        "execution_id": fill.execution_id,
        "client_order_id": fill.client_order_id,
        "session": fill.session.isoformat(),
        "symbol": fill.symbol,
        "side": fill.side.value,
        "quantity_shares": fill.quantity_shares,
        "price": str(fill.price),
        "fee": str(fill.fee),
        "filled_at": utc_stamp(fill.filled_at),
    }


def _booking_details(booking: Booking) -> dict[str, Any]:
    return {
        "broker": booking.broker,
        "booking_id": booking.booking_id,
        "session": booking.session.isoformat(),
        "kind": booking.kind,
        "symbol": booking.symbol,
        "shares": booking.shares,
        "cash": str(booking.cash),
    }


def _to_fill(row: Row[Any]) -> Fill:
    return Fill(
        broker=row.broker,
        execution_id=row.execution_id,
        client_order_id=row.client_order_id,
        market=row.market,
        session=row.session,
        symbol=row.symbol,
        side=Side(row.side),
        quantity_shares=row.quantity_shares,
        price=row.price,
        fee=row.fee,
        filled_at=row.filled_at,
    )


def _to_booking(row: Row[Any]) -> Booking:
    return Booking(
        broker=row.broker,
        booking_id=row.booking_id,
        market=row.market,
        session=row.session,
        kind=row.kind,
        symbol=row.symbol,
        shares=row.shares,
        cash=row.cash,
    )
