"""The trading steps of a session, in the order they run.

1. `decide_session`, before the open: weights of t -> the persisted decision, and its orders as the
   gates let them pass.
2. `submit_session`, before the open: each intent is sent once.
3. `collect_executions`, after the close: what the broker did goes into the ledger.

State lives in the ledger. The tables written here are views of it for people and later stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tradegraph_dagster.domain.core.errors import InvariantBroken, MissingSession
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.book_changes import stale_orders
from tradegraph_dagster.domain.orders.cancellation import cancel_open
from tradegraph_dagster.domain.orders.closing import close_orders
from tradegraph_dagster.domain.orders.gate_inputs import (
    GateSources,
    Surroundings,
    gather_gate_sources,
)
from tradegraph_dagster.domain.orders.gate_table import (
    denials_to_facts,
    denied_rows,
    gate_results_to_frame,
)
from tradegraph_dagster.domain.orders.gathering import (
    gather_inputs,
    require_alone,
    require_decidable,
)
from tradegraph_dagster.domain.orders.incidents import halting_reason
from tradegraph_dagster.domain.orders.inputs import inputs_to_context, inputs_to_decision
from tradegraph_dagster.domain.orders.intents import decision_to_proposals
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    FILLS,
    ORDERS,
    BookedExecutions,
    Booking,
    Commitments,
    Fill,
    TradingMode,
)
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy, SubmissionPorts
from tradegraph_dagster.domain.orders.submission import submit_orders
from tradegraph_dagster.domain.orders.tables import (
    decision_to_facts,
    decision_to_frame,
    fills_to_frame,
    orders_to_frame,
)
from tradegraph_dagster.domain.risk.gate_catalogue import ConfiguredGates, limits_as_text
from tradegraph_dagster.domain.risk.order_gate import GatedDecision, judge_orders
from tradegraph_dagster.domain.risk.schema import (
    GATE_RESULTS,
    RISK_DECISION,
    ExecutionPolicy,
    RiskDecision,
)

# So many sessions before are asked for again, for what the broker shows late.
LATE_SESSIONS = 3


@dataclass(frozen=True)
class DecisionPlan:
    """How weights become orders, and what holds them back.

    Attributes:
        strategy: Name under which the decision is stored; one strategy decides a session.
        execution: How weights become sizes.
        rules: Rule -> its limits.
        gates: Every gate with its limits, by number.
        gate_policy: Name of the limits' policy.
    """

    strategy: str
    execution: ExecutionPolicy
    rules: Mapping[str, Mapping[str, Any]]
    gates: ConfiguredGates
    gate_policy: str


def decide_session(
    ws: Workspace,
    *,
    session: date,
    books: TradingBooks,
    plan: DecisionPlan,
    around: Surroundings,
) -> tuple[Written, Written]:
    """Decide what may be traded in session t+1, and store it before any order exists.

    A decision that is stored already is written again as it was taken, never computed anew. An
    engaged kill switch, or one that cannot be read, is an input of the decision like any other.

    Args:
        ws: Reads `target_weights`, `forecasts`, `instruments` and `validated_bars` of t,
            `adjusted_bars` up to t, and `corporate_actions` of t+1, which are known before its
            open. `universe` and `features` of t must still be there.
        session: t+1.
        books: The ledger.
        plan: How to decide.
        around: What it depends on besides the lake and the ledger.

    Returns:
        What was written of RISK_DECISION and of GATE_RESULTS.

    Raises:
        NotReconciled: The books of t are not closed.
        StaleData: There are no weights of t, or what they were made from was withdrawn.
        MissingSession: Another input does not exist.
        ConfigError: A rule or limit is refused.
        InvariantBroken: Another decision has orders in the session.
    """
    identity = decision_id(market=ws.market.name, strategy=plan.strategy, session=session)
    decision = books.decisions.decision(identity)
    if decision is None:
        decision = _decide(ws, session, books, plan, around)
    results = books.decisions.gate_results(identity)
    symbols = {
        record.intent.client_order_id: record.intent.symbol
        for record in books.orders.orders(session)
    }
    rows = gate_results_to_frame(session, results, symbols)
    facts = decision_to_facts(decision)
    facts["denied_by_gates"] = denied_rows(rows)["client_order_id"].n_unique()
    frame = decision_to_frame(decision)
    return (
        Written(session, frame.height, ws.store.write(RISK_DECISION, session, frame), facts),
        Written(
            session,
            rows.height,
            ws.store.write(GATE_RESULTS, session, rows),
            denials_to_facts(rows),
        ),
    )


def submit_session(
    ws: Workspace,
    *,
    session: date,
    ports: SubmissionPorts,
    policy: SubmissionPolicy,
    deadline: datetime | None,
) -> Written:
    """Send each intent of the session's decision once: sales first, then buys. See `submission`.

    What the ledger does not bear any more, as it changed since the decision, is not sent: such an
    order ends with an incident. A dry run does not look for them.

    Args:
        ws: Reads `corporate_actions` of the session; ORDERS is written there.
        session: t+1.
        ports: The ledger, the broker and time.
        policy: How far orders go, and how patient the run is.
        deadline: From here on nothing is sent, and what was not is DENIED; None for a replay.

    Returns:
        What was written of ORDERS. It is written also when an error is raised after the sending
        stopped, and a repeated run writes the same bytes.

    Raises:
        MissingSession: The session has no decision, or its corporate actions were withdrawn.
        TradingHalted: The kill switch is engaged or cannot be read, live trading is not armed, or
            the connection leads elsewhere than the mode says. Or an open incident holds an order
            back; the others went out.
        OrderStateUnknown: Another run is sending, or the fate of an order is still open.
        BrokerUnavailable: The broker cannot be reached.
        InvariantBroken: The broker has one of our ids with other content.
    """
    _require_partition(ws, RISK_DECISION, session)
    orders = ports.books.orders
    is_dry = policy.mode is TradingMode.DRY_RUN
    records = orders.orders(session)
    stale = {} if is_dry else stale_orders(ws, session, ports.books, records)
    outcome = submit_orders(records, ports, policy, deadline=deadline, stale=stale)
    frame = orders_to_frame(orders.orders(session), is_dry=is_dry)
    fingerprint = ws.store.write(ORDERS, session, frame)
    if outcome.cause is not None:
        raise outcome.cause
    facts: dict[str, float | int | str] = dict(_count(frame["status"].to_list()))
    facts["mode"] = policy.mode.value
    if is_dry:
        facts["not_sent_dry_run"] = len(outcome.not_sent)
    return Written(session, frame.height, fingerprint, facts)


def collect_executions(
    ws: Workspace, *, session: date, books: TradingBooks, broker: Broker
) -> Written:
    """Book what the broker did in a closed session, and end the session's orders.

    The broker is asked for the sessions before, too: fees and dividends may come days late. They
    are booked in the session they belong to, so that cash agrees; its tables stay as they were.
    Executions that are stored already are left alone, so running again changes nothing. An order
    still open at the broker ends EXPIRED, one that was not sent DENIED. What should not have
    happened is booked, and raises an incident; a fill of a rejected order also engages the kill
    switch, with its booking, and cancels what still works, best effort.

    Returns:
        What was written of FILLS: those that no bust takes back.

    Raises:
        MissingSession: The session is not settled at the broker yet.
        BrokerUnavailable: The broker cannot be reached.
        InvariantBroken: An execution belongs elsewhere.
    """
    fills, bookings = _read_executions(ws, (*_collected(ws, session), session), broker)
    booked = books.executions.record_executions(fills, bookings)
    halt = halting_reason(booked.incidents)
    canceled = None
    if halt is not None:
        canceled = cancel_open(books, broker, session=session, reason=halt)
    lost = close_orders(books, broker, session)
    stored = fills_in_force(books.executions.fills(session))
    frame = fills_to_frame([fill for fill in stored if fill.session == session])
    fingerprint = ws.store.write(FILLS, session, frame)
    own = sum(booking.session == session for booking in bookings)
    facts = _facts(booked, own, lost)
    if canceled is not None:
        facts["cancels"] = canceled.counts
        facts["cancels_failed"] = "; ".join(f"{k}: {v}" for k, v in canceled.failed.items())
    return Written(session, frame.height, fingerprint, facts)


def book_late_executions(
    ws: Workspace, *, session: date, books: TradingBooks, broker: Broker
) -> int:
    """Book what the broker has shown of the sessions before one since they were collected.

    A fee that comes overnight is no difference: it is booked before the books are compared and the
    next orders go out.

    Returns:
        How many executions were new.

    Raises:
        BrokerUnavailable: The broker cannot be reached; nothing was booked.
    """
    fills, bookings = _read_executions(ws, _collected(ws, session), broker)
    return books.executions.record_executions(fills, bookings).new


def _decide(
    ws: Workspace,
    session: date,
    books: TradingBooks,
    plan: DecisionPlan,
    around: Surroundings,
) -> RiskDecision:
    identity = decision_id(market=ws.market.name, strategy=plan.strategy, session=session)
    require_decidable(ws, session, books, identity)
    inputs = gather_inputs(ws, session, books, plan.strategy)
    taken = inputs_to_decision(inputs, ws.market, execution=plan.execution, rules=plan.rules)
    working = books.decisions.commitments(session).working
    sources = gather_gate_sources(
        ws,
        inputs,
        around,
        symbols={line.symbol for line in taken.lines}
        | {record.intent.symbol for record in working},
        reconciled=books.reconciliations.compared(),
        context=inputs_to_context(inputs, ws.market, plan.execution),
    )

    def judge(bound: Commitments) -> GatedDecision:
        require_alone(bound, session)
        return _judge(taken, sources, plan, bound)

    return books.decisions.record_decision(identity, judge, session=session)


def _judge(
    taken: RiskDecision, sources: GateSources, plan: DecisionPlan, bound: Commitments
) -> GatedDecision:
    proposed = decision_to_proposals(taken, sources.confidence)
    judged = judge_orders(proposed, sources.view(bound, taken.market), plan.gates)
    return GatedDecision(taken, judged, limits_as_text(plan.gates), plan.gate_policy)


def _require_partition(ws: Workspace, schema: FrameSchema, session: date) -> None:
    if session not in ws.store.partitions(schema.name):
        raise MissingSession("materialise it first", table=schema.name, session=session)


def _collected(ws: Workspace, session: date) -> tuple[date, ...]:
    """The sessions right before one that were collected."""
    stored = ws.store.partitions(FILLS.name)
    before = ws.trailing(session, LATE_SESSIONS + 1)
    return tuple(day for day in before if day < session and day in stored)


def _read_executions(
    ws: Workspace, sessions: Sequence[date], broker: Broker
) -> tuple[list[Fill], list[Booking]]:
    """What the broker says of some sessions."""
    fills: list[Fill] = []
    bookings: list[Booking] = []
    for day in sessions:
        found, booked = broker.executions(day)
        _require_own(ws, day, [*found, *booked])
        fills += found
        bookings += booked
    return fills, bookings


def _require_own(ws: Workspace, session: date, executions: Sequence[Fill | Booking]) -> None:
    for execution in executions:
        if (execution.market, execution.session) != (ws.market.name, session):
            raise InvariantBroken(
                f"expected executions of {ws.market.name} {session}, found {execution}; nothing "
                "was stored, ask the broker",
                table=FILLS.name,
                session=session,
                symbol=execution.symbol,
            )


def _facts(booked: BookedExecutions, bookings: int, lost: int) -> dict[str, float | int | str]:
    return {
        "new_executions": booked.new,
        "bookings": bookings,
        "incidents": len(booked.incidents) + lost,
    }


def _count(values: list[str]) -> dict[str, float | int | str]:
    return {value: values.count(value) for value in sorted(set(values))}
