"""From a fill back to the raw bars, each step with how it agrees with what was written down.

1. `_fill` and `_order`: what the broker did, what was said of the order.
2. `_decision`: each gate's word with its inputs, the line, and the fingerprints it was taken on.
3. `research.trace_weight`: weight, forecast, champion, features, bars and where they came from.

Each step is held against the audit chain, which is verified on the way. What is missing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from tradegraph_dagster.domain.audit.chain import utc_stamp
from tradegraph_dagster.domain.audit.evidence import (
    Evidence,
    decision_fingerprint,
    gates_fingerprint,
    gather_evidence,
    read_details,
)
from tradegraph_dagster.domain.audit.keys import Keyring
from tradegraph_dagster.domain.audit.ports import AuditLog
from tradegraph_dagster.domain.audit.research import Research, trace_weight
from tradegraph_dagster.domain.audit.schema import AuditEntry, SeenHead
from tradegraph_dagster.domain.audit.seals import Place, SealedLake
from tradegraph_dagster.domain.audit.trace_tree import Agreement, TraceNode, compared, missing
from tradegraph_dagster.domain.core.errors import ConfigError, InvariantBroken
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import Fill, OrderRecord, StoredEvent
from tradegraph_dagster.domain.risk.order_gate import GateResult
from tradegraph_dagster.domain.risk.schema import RiskDecision


@dataclass(frozen=True)
class Sources:
    """Where a trace looks.

    Attributes:
        research: Lake, models and features of the market.
        books: Its ledger.
        audit: Its chain.
        keys: Those that may have signed it.
        checkpoints: What others saw of it.
    """

    research: Research
    books: TradingBooks
    audit: AuditLog
    keys: Keyring
    checkpoints: Iterable[SeenHead] = ()


def trace_fill(name: str, sources: Sources) -> TraceNode:
    """The tree of a fill, or of all fills of an order.

    Args:
        name: An execution id, or a client order id.
        sources: Where to look.

    Raises:
        ConfigError: The ledger knows no such fill or order.
        InvariantBroken: A stored row behind it is of a shape that nothing here ever wrote.
        StoreUnavailable: The ledger cannot be read.
    """
    try:
        return _trace(name, sources)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InvariantBroken(
            f"trace {name}: a stored row behind it has an unknown shape "
            f"({type(error).__name__}: {error}); verify the chain, then compare the ledger's rows "
            "of the order, its decision and its fills with a backup",
        ) from error


def _trace(name: str, sources: Sources) -> TraceNode:
    books = sources.books
    fills = [
        fill
        for fill in books.executions.fills(date.max)
        if name in (fill.execution_id, fill.client_order_id)
    ]
    order_name = fills[0].client_order_id if fills else name
    record = books.orders.order(order_name)
    if record is None and not fills:
        raise ConfigError(
            f"FILL: found {name!r}, which is no execution id and no client order id of "
            f"{sources.research.ws.market.name}; look at fills or orders of the session"
        )
    decision = None if record is None else books.decisions.decision(record.intent.decision_id)
    evidence = _evidence(order_name, record, sources)
    order = (
        missing("order", order_name, "the ledger has no such order: it came from elsewhere")
        if record is None
        else _order(record, decision, evidence, sources)
    )
    executed = tuple(_fill(fill, evidence) for fill in fills)
    if len(executed) == 1:
        executed = (replace(executed[0], made_from=(order,)),)
    else:
        executed = (*executed, order)
    return TraceNode(
        "trace", name, Agreement.STATED, made_from=(_chain(evidence, sources), *executed)
    )


def _evidence(order_name: str, record: OrderRecord | None, sources: Sources) -> Evidence:
    sessions: tuple[date, ...] = ()
    if record is not None:
        sessions = sources.research.sessions_before(record.intent.session)
    return gather_evidence(
        sources.audit.entries(),
        sources.keys,
        checkpoints=sources.checkpoints,
        client_order_id=order_name,
        decision_id=record.intent.decision_id if record else "",
        sessions=sessions,
    )


def _chain(evidence: Evidence, sources: Sources) -> TraceNode:
    head = sources.audit.head()
    facts = {"entries": str(head.seq + 1 if head else 0), "head": head.hash if head else "none"}
    if evidence.damage is not None:
        problem = f"{evidence.damage}; what the chain says below may be forged"
        return TraceNode("audit_chain", "whole", Agreement.MISMATCH, facts, (problem,))
    return TraceNode("audit_chain", "whole", Agreement.MATCH, facts)


def _fill(fill: Fill, evidence: Evidence) -> TraceNode:
    stated = {
        "broker": fill.broker,
        "client_order_id": fill.client_order_id,
        "session": fill.session.isoformat(),
        "symbol": fill.symbol,
        "side": fill.side.value,
        "quantity_shares": fill.quantity_shares,
        "price": fill.price,
        "fee": fill.fee,
        "filled_at": utc_stamp(fill.filled_at),
        "busts": fill.busts,
    }
    facts = {name: str(value) for name, value in stated.items() if value != ""}
    found = evidence.executed(fill.execution_id)
    if found is None:
        return compared("fill", fill.execution_id, facts, ["the audit chain has no entry of it"])
    entry, written = found
    facts["audit_entry"] = str(entry.seq)
    return compared("fill", fill.execution_id, facts, _differences("fill", stated, written))


def _order(
    record: OrderRecord, decision: RiskDecision | None, evidence: Evidence, sources: Sources
) -> TraceNode:
    intent = record.intent
    facts = {
        "symbol": intent.symbol,
        "side": intent.side.value,
        "quantity_shares": str(intent.quantity_shares),
        "limit_price": "market" if intent.limit_price is None else str(intent.limit_price),
        "session": intent.session.isoformat(),
        "status": record.status.value,
        "filled_shares": str(record.filled_shares),
        "broker_order_id": record.broker_order_id or "none",
        "sent_at": utc_stamp(record.sent_at) if record.sent_at else "never",
        "audit_entries": ", ".join(str(entry.seq) for entry in evidence.order) or "none",
    }
    problems = []
    if record.sent_at is not None and not evidence.sendings:
        problems.append("the audit chain has no entry of its sending")
    said = sources.books.events.events(intent.client_order_id)
    node = compared("order", intent.client_order_id, facts, problems)
    before = (
        missing("decision", intent.decision_id, "the ledger has no such decision")
        if decision is None
        else _decision(decision, record, evidence, sources)
    )
    return replace(node, made_from=(*map(_event, said), before))


def _event(stored: StoredEvent) -> TraceNode:
    event = stored.event
    told = {
        "source": event.source.value,
        "recorded_at": utc_stamp(stored.recorded_at),
        "updated_at": utc_stamp(event.updated_at) if event.updated_at else "",
        "filled_shares": "" if event.filled_shares is None else str(event.filled_shares),
        "reason": event.reason,
        "refusal": stored.refusal,
        "raw": event.raw,
    }
    facts = {name: value for name, value in told.items() if value}
    return TraceNode("order_event", event.status.value, Agreement.STATED, facts)


def _decision(
    decision: RiskDecision, record: OrderRecord, evidence: Evidence, sources: Sources
) -> TraceNode:
    intent = record.intent
    line = next((line for line in decision.lines if line.symbol == intent.symbol), None)
    facts = {
        "strategy": decision.strategy,
        "session": decision.session.isoformat(),
        "equity": str(decision.equity),
        "rules_applied": ", ".join(decision.rules_applied),
        "inputs_fingerprint": decision.inputs_fingerprint,
    }
    if line is not None:
        facts |= {
            "held_shares": str(line.held_shares),
            "target_shares": str(decision.targets.get(line.symbol, "none")),
            "approved_shares": str(line.approved_shares),
            "reference_price": str(line.price),
            "rules_said": "; ".join(line.reasons) or "nothing",
        }
    judged = sources.books.decisions.gate_results(decision.decision_id)
    results = judged.get(intent.client_order_id, ())
    problems = ["the audit chain has no entry of it"]
    if evidence.decision is not None:
        facts["audit_entry"] = str(evidence.decision.seq)
        problems = _decision_problems(decision, record, results, evidence.decision)
    gates = tuple(map(_gate, results))
    if not gates:
        gates = (missing("gate", "none", "no gate's word on the order is stored"),)
    weight = _weight(decision, intent.symbol, evidence, sources)
    node = compared("decision", decision.decision_id, facts, problems)
    return replace(node, made_from=(*gates, weight))


def _decision_problems(
    decision: RiskDecision,
    record: OrderRecord,
    results: Sequence[GateResult],
    entry: AuditEntry,
) -> list[str]:
    intent = record.intent
    written = read_details(entry)
    stated = {
        "inputs_fingerprint": decision.inputs_fingerprint,
        "equity": decision.equity,
        "sources": dict(decision.sources),
        "decision_fingerprint": decision_fingerprint(decision),
    }
    problems = _differences("decision", stated, written)
    orders: Sequence[Mapping[str, Any]] = written.get("orders", ())
    mine = [one for one in orders if one.get("client_order_id") == intent.client_order_id]
    if not mine:
        return [*problems, "its audit entry does not name the order"]
    ordered = {
        "symbol": intent.symbol,
        "side": intent.side.value,
        "quantity_shares": intent.quantity_shares,
        "gates_fingerprint": gates_fingerprint(results),
    }
    return [*problems, *_differences("order", ordered, mine[0])]


def _gate(result: GateResult) -> TraceNode:
    facts = {"outcome": result.outcome.value, "reason": result.reason, **result.inputs}
    told = {name: value for name, value in facts.items() if value != ""}
    return TraceNode("gate", f"{result.number} {result.gate}", Agreement.STATED, told)


def _weight(decision: RiskDecision, symbol: str, evidence: Evidence, sources: Sources) -> TraceNode:
    research = sources.research
    previous = research.ws.calendar.previous(decision.session)
    used: dict[Place, str] = {
        # Events of the session itself are known before its open; all else is of the one before.
        (table, decision.session if table == CORPORATE_ACTIONS.name else previous): fingerprint
        for table, fingerprint in decision.sources.items()
    }
    lake = SealedLake(research.ws.store, symbol, sealed=evidence.sealed, used=used)
    return trace_weight(research, lake, previous)


def _differences(what: str, stated: Mapping[str, Any], written: Mapping[str, Any]) -> list[str]:
    return [
        f"{what}: the ledger has {name} {value!r}, the audit chain {written.get(name)!r}"
        for name, value in stated.items()
        if not _is_same(value, written.get(name))
    ]


def _is_same(value: Any, written: Any) -> bool:
    """Whether the ledger's value is the one written down; 1.0 and 1.00 are the same money."""
    if isinstance(value, Decimal) and isinstance(written, str):
        try:
            return value == Decimal(written)
        except InvalidOperation:
            return False
    return bool(value == written)
