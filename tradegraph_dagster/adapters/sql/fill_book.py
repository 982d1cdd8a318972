"""Fills and bookings, append-only and each stored once, with everything that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, Table, select

from tradegraph_dagster.adapters.sql.audit_log import Act, Ledger
from tradegraph_dagster.adapters.sql.execution_rows import (
    insert_executions,
    read_known,
    row_to_booking,
    row_to_fill,
)
from tradegraph_dagster.adapters.sql.incident_rows import raise_incident
from tradegraph_dagster.adapters.sql.kill_switch import engage_switch
from tradegraph_dagster.adapters.sql.lot_rows import rewrite_lots
from tradegraph_dagster.adapters.sql.order_rows import shrink_reservations, update_orders
from tradegraph_dagster.adapters.sql.tables import BOOKINGS, FILLS
from tradegraph_dagster.domain.audit.chain import utc_stamp
from tradegraph_dagster.domain.audit.events import EXECUTIONS_RECORDED
from tradegraph_dagster.domain.core.ids import SYSTEM
from tradegraph_dagster.domain.orders.admission import admit_executions
from tradegraph_dagster.domain.orders.executions import ExecutionPlan, plan_executions
from tradegraph_dagster.domain.orders.incidents import halting_reason
from tradegraph_dagster.domain.orders.schema import BookedExecutions, Booking, Fill


class SqlFillBook:
    """A FillBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record_executions(
        self, fills: Sequence[Fill], bookings: Sequence[Booking]
    ) -> BookedExecutions:
        """Store what is new, and what follows from it."""
        with self._ledger.writing() as act:
            return book_executions(act, fills, bookings)

    def fills(self, through: date) -> Sequence[Fill]:
        """Fills of sessions up to `through`, in order of booking."""
        return [row_to_fill(row) for row in self._through(FILLS, through)]

    def bookings(self, through: date) -> Sequence[Booking]:
        """Bookings of sessions up to `through`, in order of booking."""
        return [row_to_booking(row) for row in self._through(BOOKINGS, through)]

    def _through(self, table: Table, through: date) -> Sequence[Row[Any]]:
        query = (
            select(table)
            .where(table.c.market == self._ledger.market, table.c.session <= through)
            .order_by(table.c.id)
        )
        with self._ledger.reading() as connection:
            return connection.execute(query).all()


def book_executions(
    act: Act, fills: Sequence[Fill], bookings: Sequence[Booking]
) -> BookedExecutions:
    """Store executions in a transaction that is open; see FillBook.record_executions."""
    market = act.ledger.market
    offered = admit_executions(fills, bookings)
    known = read_known(act.connection, market, offered)
    plan = plan_executions(offered, known, market=market)
    if plan.fills or plan.bookings:
        rewrite_lots(act.connection, market, plan)
        insert_executions(act.connection, market, plan)
        moved = [record for record, _ in plan.moves]
        update_orders(act.connection, moved)
        shrink_reservations(act.connection, market, moved)
        act.append(EXECUTIONS_RECORDED, details=_to_details(plan))
    # The same conflict comes with every answer of the broker, also once a person has seen it.
    raised = tuple(one for one in plan.incidents if raise_incident(act, one, again=False))
    halt = halting_reason(raised)
    if halt is not None:
        engage_switch(act, reason=halt, actor=SYSTEM)
    return BookedExecutions(len(plan.fills) + len(plan.bookings), plan.repeated, raised)


def _to_details(plan: ExecutionPlan) -> dict[str, Any]:
    return {
        "fills": [_fill_details(fill) for fill in plan.fills],
        "bookings": [_booking_details(booking) for booking in plan.bookings],
        "orders": [
            {
                "client_order_id": record.intent.client_order_id,
                "from": transition.before.value,
                "to": transition.after.value,
                "filled_shares": record.filled_shares,
            }
            for record, transition in plan.moves
        ],
    }


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
        "busts": fill.busts,
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
