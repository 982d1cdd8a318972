"""Persisted risk decisions and the intents that belong to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from tradegraph_dagster.adapters.sql.audit_log import Ledger
from tradegraph_dagster.adapters.sql.tables import DECISIONS, ORDERS
from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.orders.schema import OrderIntent, OrderStatus
from tradegraph_dagster.domain.risk.schema import Line, RiskDecision


class SqlDecisionBook:
    """A DecisionBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record_decision(
        self, decision: RiskDecision, intents: Sequence[OrderIntent]
    ) -> RiskDecision:
        """Store a decision with its intents; one that is stored already is returned instead."""
        _check_belongs(decision, intents, self._ledger.market)
        with self._ledger.writing() as act:
            stored = _read(act.connection, self._ledger.market, decision.decision_id)
            if stored is not None:
                return stored
            payload = _to_payload(decision)
            act.connection.execute(insert(DECISIONS).values(_to_row(decision, payload)))
            if intents:
                act.connection.execute(insert(ORDERS), [_to_order(intent) for intent in intents])
            act.append("decision_recorded", details=_to_details(decision, intents, payload))
        return decision

    def decision(self, decision_id: str) -> RiskDecision | None:
        """A stored decision."""
        with self._ledger.reading() as connection:
            return _read(connection, self._ledger.market, decision_id)


def _check_belongs(decision: RiskDecision, intents: Sequence[OrderIntent], market: str) -> None:
    expected = (market, decision.decision_id, decision.session)
    if decision.market != market:
        raise InvariantBroken(
            f"this ledger holds {market}, the decision is for {decision.market}",
            table="decisions",
            session=decision.session,
        )
    for intent in intents:
        found = (intent.market, intent.decision_id, intent.session)
        if found != expected:
            raise InvariantBroken(
                f"intent {intent.client_order_id} belongs to {found}, expected {expected}",
                table="orders",
                session=decision.session,
                symbol=intent.symbol,
            )


def _read(connection: Connection, market: str, decision_id: str) -> RiskDecision | None:
    query = select(DECISIONS).where(
        DECISIONS.c.market == market, DECISIONS.c.decision_id == decision_id
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _to_decision(row)


def _to_payload(decision: RiskDecision) -> str:
    lines = [
        asdict(line) | {"price": str(line.price), "reasons": list(line.reasons)}
        for line in decision.lines
    ]
    return canonical_json(
        {
            "lines": lines,
            "targets": dict(decision.targets),
            "rules_applied": list(decision.rules_applied),
        }
    )


def _to_row(decision: RiskDecision, payload: str) -> dict[str, Any]:
    return {
        "market": decision.market,
        "decision_id": decision.decision_id,
        "strategy": decision.strategy,
        "session": decision.session,
        "equity": decision.equity,
        "inputs_fingerprint": decision.inputs_fingerprint,
        "payload": payload,
    }


def _to_order(intent: OrderIntent) -> dict[str, Any]:
    return {
        **asdict(intent),
        "side": intent.side.value,
        "status": OrderStatus.INTENT.value,
        "filled_shares": 0,
        "broker_order_id": "",
        "reason": "",
    }


def _to_details(
    decision: RiskDecision, intents: Sequence[OrderIntent], payload: str
) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "strategy": decision.strategy,
        "session": decision.session.isoformat(),
        "equity": str(decision.equity),
        "inputs_fingerprint": decision.inputs_fingerprint,
        "payload_sha256": hashlib.sha256(payload.encode()).hexdigest(),
        "orders": [
            {
                "client_order_id": intent.client_order_id,
                "symbol": intent.symbol,
                "side": intent.side.value,
                "quantity_shares": intent.quantity_shares,
            }
            for intent in intents
        ],
    }


def _to_decision(row: Row[Any]) -> RiskDecision:
    payload = json.loads(row.payload)
    session: date = row.session
    return RiskDecision(
        decision_id=row.decision_id,
        market=row.market,
        strategy=row.strategy,
        session=session,
        lines=tuple(
            Line(**{**line, "price": Decimal(line["price"]), "reasons": tuple(line["reasons"])})
            for line in payload["lines"]
        ),
        targets=payload["targets"],
        equity=row.equity,
        rules_applied=tuple(payload["rules_applied"]),
        inputs_fingerprint=row.inputs_fingerprint,
    )
