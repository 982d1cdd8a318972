"""Decisions, orders and fills as rows of their tables, and a decision's orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.orders.intents import DENIED_BY
from tradegraph_dagster.domain.orders.order_machine import BOOK_CHANGED, NEVER_SEEN
from tradegraph_dagster.domain.orders.schema import (
    FILLS,
    ORDERS,
    Fill,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.risk.schema import RISK_DECISION, Line, RiskDecision

NOT_SENT = "not sent"
DRY_RUN = "not sent: dry run"
# Of the rules' different words; the table has every line's.
REASONS_SHOWN = 5


def line_verdict(line: Line, target_shares: int) -> str:
    """`approved` as wanted, `denied` without any trade, or `reduced` to a part of it."""
    if line.approved_shares == target_shares:
        return "approved"
    return "denied" if line.traded_shares == 0 else "reduced"


def decision_to_frame(decision: RiskDecision) -> pl.DataFrame:
    """RISK_DECISION rows, S = 1 session, one a line."""
    return _to_frame(
        RISK_DECISION,
        [
            {
                "session": decision.session,
                "symbol": line.symbol,
                "decision_id": decision.decision_id,
                "held_shares": line.held_shares,
                "target_shares": decision.targets[line.symbol],
                "approved_shares": line.approved_shares,
                "reference_price": float(line.price),
                "verdict": line_verdict(line, decision.targets[line.symbol]),
                "reasons": "; ".join(line.reasons),
            }
            for line in decision.lines
        ],
    )


def decision_to_facts(decision: RiskDecision) -> dict[str, float | int | str]:
    """What a person wants to know of a decision at a glance."""
    traded = [line for line in decision.lines if line.traded_shares]
    changed = [line for line in decision.lines if line.reasons]
    words = sorted({reason for line in changed for reason in line.reasons})
    return {
        "equity": float(decision.equity),
        "orders": len(traded),
        "changed_by_rules": len(changed),
        **({"changed_because": "; ".join(words[:REASONS_SHOWN])} if words else {}),
        "rules_applied": ", ".join(decision.rules_applied),
    }


def orders_to_frame(records: Sequence[OrderRecord], *, is_dry: bool) -> pl.DataFrame:
    """ORDERS rows: the outcome of the submission, which later fills do not change.

    An order that never reached the broker is `denied`, whether it still may be sent or not.

    Args:
        records: Orders of a session.
        is_dry: Whether the run sent nothing on purpose.
    """
    return _to_frame(
        ORDERS,
        [
            {
                "session": record.intent.session,
                "client_order_id": record.intent.client_order_id,
                "decision_id": record.intent.decision_id,
                "symbol": record.intent.symbol,
                "side": record.intent.side.value,
                "quantity_shares": record.intent.quantity_shares,
                **_outcome(record, is_dry=is_dry),
            }
            for record in records
        ],
    )


def fills_to_frame(fills: Sequence[Fill]) -> pl.DataFrame:
    """FILLS rows."""
    return _to_frame(
        FILLS,
        [
            {
                "session": fill.session,
                "execution_id": fill.execution_id,
                "client_order_id": fill.client_order_id,
                "symbol": fill.symbol,
                "side": fill.side.value,
                "quantity_shares": fill.quantity_shares,
                "price": float(fill.price),
                "fee": float(fill.fee),
                "filled_at": fill.filled_at,
            }
            for fill in fills
        ],
    )


def _outcome(record: OrderRecord, *, is_dry: bool) -> dict[str, str]:
    status, reason = record.status, record.reason
    if reason.startswith(BOOK_CHANGED):
        return {"status": OrderStatus.DENIED.value, "reason": reason}
    if status in (OrderStatus.INTENT, OrderStatus.DENIED):
        unsent = DRY_RUN if is_dry else NOT_SENT
        reason = reason if reason.startswith(DENIED_BY) else unsent
        return {"status": OrderStatus.DENIED.value, "reason": reason}
    if status in (OrderStatus.SUBMITTING, OrderStatus.UNKNOWN) or reason.endswith(NEVER_SEEN):
        return {"status": OrderStatus.UNKNOWN.value, "reason": reason}
    if status is OrderStatus.REJECTED:
        return {"status": status.value, "reason": reason}
    return {"status": OrderStatus.ACKED.value, "reason": ""}


def _to_frame(schema: FrameSchema, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return conform_frame(pl.DataFrame(rows, schema=schema.dtypes), schema)
