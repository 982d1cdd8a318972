"""Orders and their status: compare and set, one audit entry a change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, select, update

from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.tables import ORDERS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import OrderIntent, OrderRecord, OrderStatus


class SqlOrderBook:
    """An OrderBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def orders(self, session: date) -> Sequence[OrderRecord]:
        """Orders of a session, by client order id."""
        query = select(ORDERS).where(
            ORDERS.c.market == self._ledger.market, ORDERS.c.session == session
        )
        with self._ledger.reading() as connection:
            records = [_to_record(row) for row in connection.execute(query)]
        # Databases collate text differently; Python does not.
        return sorted(records, key=lambda record: record.intent.client_order_id)

    def advance(
        self,
        client_order_id: str,
        expected: OrderStatus,
        status: OrderStatus,
        *,
        broker_order_id: str = "",
        reason: str = "",
    ) -> bool:
        """Compare and set; a broker's id that is known stays when none is given."""
        changes = {"status": status.value, "reason": reason}
        if broker_order_id:
            changes["broker_order_id"] = broker_order_id
        statement = (
            update(ORDERS)
            .where(
                ORDERS.c.market == self._ledger.market,
                ORDERS.c.client_order_id == client_order_id,
                ORDERS.c.status == expected.value,
            )
            .values(changes)
        )
        details = {
            "client_order_id": client_order_id,
            "from": expected.value,
            "broker_order_id": broker_order_id,
            "reason": reason,
        }
        with self._ledger.writing() as act:
            moved = act.connection.execute(statement).rowcount == 1
            if moved:
                act.append(f"order_{status.value}", details=details)
        return moved


def _to_record(row: Row[Any]) -> OrderRecord:
    intent = OrderIntent(
        client_order_id=row.client_order_id,
        decision_id=row.decision_id,
        market=row.market,
        session=row.session,
        symbol=row.symbol,
        side=Side(row.side),
        quantity_shares=row.quantity_shares,
    )
    return OrderRecord(
        intent=intent,
        status=OrderStatus(row.status),
        filled_shares=row.filled_shares,
        broker_order_id=row.broker_order_id,
        reason=row.reason,
    )
