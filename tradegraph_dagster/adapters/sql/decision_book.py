"""Persisted risk decisions, what the gates said, and the orders that came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from tradegraph_dagster.adapters.sql.audit_log import Act, Ledger
from tradegraph_dagster.adapters.sql.bulk_rows import insert_rows
from tradegraph_dagster.adapters.sql.commitments import read_commitments
from tradegraph_dagster.adapters.sql.order_rows import insert_orders
from tradegraph_dagster.adapters.sql.tables import DECISIONS, GATE_RESULTS
from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.audit.events import DECISION_RECORDED
from tradegraph_dagster.domain.audit.evidence import decision_fingerprint, gates_to_json
from tradegraph_dagster.domain.core.fingerprint import data_fingerprint, text_fingerprint
from tradegraph_dagster.domain.orders.bookkeeping import check_belongs
from tradegraph_dagster.domain.orders.intents import judged_to_record
from tradegraph_dagster.domain.orders.schema import Commitments, OrderRecord
from tradegraph_dagster.domain.risk.order_gate import (
    GatedDecision,
    GateOutcome,
    GateResult,
    JudgedOrder,
)
from tradegraph_dagster.domain.risk.schema import Line, RiskDecision

_LINE = tuple(Line.__dataclass_fields__)


class SqlDecisionBook:
    """A DecisionBook of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record_decision(
        self, decision_id: str, decide: Callable[[Commitments], GatedDecision], *, session: date
    ) -> RiskDecision:
        """Decide and store under the market's lock; one that is stored already is returned."""
        with self._ledger.writing() as act:
            stored = _read(act.connection, self._ledger.market, decision_id)
            if stored is not None:
                return stored
            gated = decide(read_commitments(act.connection, self._ledger, session))
            check_belongs(gated, decision_id, self._ledger.market, session)
            _store(act, gated)
        return gated.decision

    def decision(self, decision_id: str) -> RiskDecision | None:
        """A stored decision."""
        with self._ledger.reading() as connection:
            return _read(connection, self._ledger.market, decision_id)

    def equities(self, through: date) -> Sequence[tuple[date, Decimal]]:
        """Session and equity of every decision of the market, ascending."""
        query = (
            select(DECISIONS.c.session, DECISIONS.c.equity)
            .where(DECISIONS.c.market == self._ledger.market, DECISIONS.c.session <= through)
            .order_by(DECISIONS.c.session, DECISIONS.c.strategy)
        )
        with self._ledger.reading() as connection:
            return [(row.session, row.equity) for row in connection.execute(query)]

    def gate_results(self, decision_id: str) -> Mapping[str, Sequence[GateResult]]:
        """Client order id -> every gate's word."""
        query = select(GATE_RESULTS.c.client_order_id, GATE_RESULTS.c.results).where(
            GATE_RESULTS.c.market == self._ledger.market,
            GATE_RESULTS.c.decision_id == decision_id,
        )
        with self._ledger.reading() as connection:
            rows = connection.execute(query).all()
        return {row.client_order_id: _to_results(row.results) for row in rows}

    def commitments(self, session: date) -> Commitments:
        """What open orders have bound now."""
        with self._ledger.reading() as connection:
            return read_commitments(connection, self._ledger, session)


def _store(act: Act, gated: GatedDecision) -> None:
    decision, market = gated.decision, act.ledger.market
    payload = _to_payload(decision)
    limits = canonical_json({name: dict(values) for name, values in gated.limits.items()})
    fingerprint = data_fingerprint({"policy": gated.policy, "limits": limits})
    before = _last_limits(act.connection, market, decision.strategy)
    row = {
        "market": market,
        "decision_id": decision.decision_id,
        "strategy": decision.strategy,
        "session": decision.session,
        "equity": decision.equity,
        "inputs_fingerprint": decision.inputs_fingerprint,
        "payload": payload,
        "policy": gated.policy,
        "limits": limits,
        "limits_fingerprint": fingerprint,
    }
    act.connection.execute(insert(DECISIONS), row)
    records = [judged_to_record(judged, decision) for judged in gated.orders]
    results = [_to_result_row(judged, market) for judged in gated.orders]
    insert_orders(act.connection, records, [judged.reserved_cash for judged in gated.orders])
    insert_rows(act.connection, GATE_RESULTS, results)
    if before is not None and before.limits_fingerprint != fingerprint:
        act.append("limits_changed", details=_limit_details(before, row))
    act.append(
        DECISION_RECORDED,
        details={
            "decision_id": decision.decision_id,
            "strategy": decision.strategy,
            "session": decision.session.isoformat(),
            "equity": str(decision.equity),
            "inputs_fingerprint": decision.inputs_fingerprint,
            "sources": dict(decision.sources),
            "decision_fingerprint": decision_fingerprint(decision),
            "policy": gated.policy,
            "limits_fingerprint": fingerprint,
            "orders": [
                _order_details(record, result["results"])
                for record, result in zip(records, results, strict=True)
            ],
        },
    )


def _read(connection: Connection, market: str, decision_id: str) -> RiskDecision | None:
    query = select(DECISIONS).where(
        DECISIONS.c.market == market, DECISIONS.c.decision_id == decision_id
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _to_decision(row)


def _last_limits(connection: Connection, market: str, strategy: str) -> Row[Any] | None:
    query = (
        select(DECISIONS.c.policy, DECISIONS.c.limits, DECISIONS.c.limits_fingerprint)
        .where(DECISIONS.c.market == market, DECISIONS.c.strategy == strategy)
        .order_by(DECISIONS.c.session.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def _limit_details(before: Row[Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Each limit that is not what it was; None where it was not there."""
    old, new = _flat(before.limits), _flat(after["limits"])
    return {
        "strategy": after["strategy"],
        "decision_id": after["decision_id"],
        "policy": {"old": before.policy, "new": after["policy"]},
        "fingerprint": {"old": before.limits_fingerprint, "new": after["limits_fingerprint"]},
        "limits": [
            {"gate": gate, "limit": limit, "old": old.get(name), "new": new.get(name)}
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
            for gate, limit in [name]
        ],
    }


def _flat(limits: str) -> dict[tuple[str, str], str]:
    return {
        (gate, limit): value
        for gate, values in json.loads(limits).items()
        for limit, value in values.items()
    }


def _to_payload(decision: RiskDecision) -> str:
    lines = [
        {name: getattr(line, name) for name in _LINE}
        | {"price": str(line.price), "reasons": list(line.reasons)}
        for line in decision.lines
    ]
    return canonical_json(
        {
            "lines": lines,
            "targets": dict(decision.targets),
            "rules_applied": list(decision.rules_applied),
            "sources": dict(decision.sources),
        }
    )


def _to_result_row(judged: JudgedOrder, market: str) -> dict[str, Any]:
    return {
        "market": market,
        "client_order_id": judged.order.client_order_id,
        "decision_id": judged.order.decision_id,
        "is_approved": judged.is_approved,
        "reserved_cash": judged.reserved_cash,
        "results": gates_to_json(judged.results),
    }


def _to_results(stored: str) -> tuple[GateResult, ...]:
    return tuple(
        GateResult(number, gate, GateOutcome(outcome), reason, inputs)
        for number, gate, outcome, reason, inputs in json.loads(stored)
    )


def _order_details(record: OrderRecord, results: str) -> dict[str, Any]:
    intent = record.intent
    return {
        "client_order_id": intent.client_order_id,
        "symbol": intent.symbol,
        "side": intent.side.value,
        "quantity_shares": intent.quantity_shares,
        "limit_price": None if intent.limit_price is None else str(intent.limit_price),
        "status": record.status.value,
        "reason": record.reason,
        # As `gates_fingerprint` has it, without making the text a second time.
        "gates_fingerprint": text_fingerprint(results),
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
        # Decisions from before sources were kept have none.
        sources=payload.get("sources", {}),
    )
