"""What open orders have bound, as one connection sees it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, func, select

from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.incident_rows import read_open_incidents
from tradegraph_dagster.adapters.sql.order_rows import row_to_order
from tradegraph_dagster.adapters.sql.tables import ORDERS, RESERVATIONS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.bookkeeping import SENT_WINDOW
from tradegraph_dagster.domain.orders.schema import Commitments, OrderRecord, OrderStatus

_OPEN = [status.value for status in OrderStatus if not status.is_terminal]


def read_commitments(connection: Connection, ledger: Ledger, session: date) -> Commitments:
    """Open orders, their reservations, the newest calls, and what a session has sent."""
    market = ledger.market
    since = ledger.clock.now() - SENT_WINDOW
    calls = select(ORDERS.c.sent_at).where(ORDERS.c.market == market, ORDERS.c.sent_at > since)
    counts = (
        select(ORDERS.c.symbol, func.count().label("orders"))
        .where(
            ORDERS.c.market == market,
            ORDERS.c.session == session,
            ORDERS.c.status != OrderStatus.DENIED.value,
        )
        .group_by(ORDERS.c.symbol)
    )
    working = _working(connection, market)
    return Commitments(
        working=tuple(record for record, _ in working),
        reserved_cash={
            record.intent.client_order_id: bound
            for record, bound in working
            if record.intent.side is Side.BUY
        },
        sent_at=tuple(sorted(connection.execute(calls).scalars())),
        sent_in_session={row.symbol: row.orders for row in connection.execute(counts)},
        incidents=read_open_incidents(connection, market),
    )


def _working(connection: Connection, market: str) -> list[tuple[OrderRecord, Decimal]]:
    # One statement: between two, another writer may end an order and free what it binds. No join:
    # before a table has statistics PostgreSQL compares every order with every reservation.
    bound = (
        select(RESERVATIONS.c.cash)
        .where(
            RESERVATIONS.c.market == ORDERS.c.market,
            RESERVATIONS.c.client_order_id == ORDERS.c.client_order_id,
        )
        .scalar_subquery()
        .label("bound")
    )
    query = select(ORDERS, bound).where(ORDERS.c.market == market, ORDERS.c.status.in_(_OPEN))
    rows = connection.execute(query).all()
    found = [(row_to_order(row), row.bound) for row in rows if row.bound is not None]
    # Databases collate text differently; Python does not.
    return sorted(found, key=lambda pair: pair[0].intent.client_order_id)
