"""The trading steps of a session, in the order they run.

1. `decide_session`, before the open: weights of t -> the persisted decision and its intents.
2. `submit_session`, before the open: each intent is sent once.
3. `collect_executions`, after the close: what the broker did goes into the ledger.

State lives in the ledger. The tables written here are views of it for people and later stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    InvariantBroken,
    MissingSession,
    NotReconciled,
    OrderRefused,
    OrderStateUnknown,
    StaleData,
    StoreError,
    TradeGraphError,
    TradingHalted,
)
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.core.ids import decision_id
from tradegraph_dagster.domain.core.money import ZERO, to_decimal
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.entitlements import frame_to_actions
from tradegraph_dagster.domain.orders.inputs import DecisionInputs, inputs_to_decision
from tradegraph_dagster.domain.orders.order_machine import closing_transition, transition
from tradegraph_dagster.domain.orders.ports import Broker, KillSwitch, TradingBooks
from tradegraph_dagster.domain.orders.preconditions import (
    other_decision,
    reconciliation_gap,
    research_gap,
)
from tradegraph_dagster.domain.orders.prices import read_prices
from tradegraph_dagster.domain.orders.schema import (
    FILLS,
    ORDERS,
    Book,
    Booking,
    BrokerOrder,
    Fill,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.orders.tables import (
    decision_to_facts,
    decision_to_frame,
    decision_to_intents,
    fills_to_frame,
    in_sending_order,
    orders_to_frame,
)
from tradegraph_dagster.domain.orders.valuation import (
    bars_to_quotes,
    book_to_equity,
    flows_by_session,
)
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.risk.schema import RISK_DECISION, ExecutionPolicy
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

# Weights and what they are made from, first to last.
_RESEARCH = (UNIVERSE.name, FEATURES, FORECASTS.name, TARGET_WEIGHTS.name)
_TO_SEND = frozenset({OrderStatus.INTENT, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


def decide_session(
    ws: Workspace,
    *,
    session: date,
    books: TradingBooks,
    strategy: str,
    execution: ExecutionPolicy,
    rules: Mapping[str, Mapping[str, Any]],
) -> Written:
    """Decide what may be traded in session t+1, and store it before any order exists.

    A decision that is stored already is written again as it was taken, never computed anew. An
    engaged kill switch, or one that cannot be read, is an input of the decision like any other.

    Args:
        ws: Reads `target_weights` of t, `adjusted_bars` and `validated_bars` of t and t-1, and
            `corporate_actions` of t+1, which are known before its open. `universe`, `features` and
            `forecasts` of t must still be there.
        session: t+1.
        books: The ledger.
        strategy: Name under which the decision is stored; one strategy decides a session.
        execution: How weights become orders.
        rules: Rule -> its limits.

    Returns:
        What was written of RISK_DECISION.

    Raises:
        NotReconciled: The books of t are not closed without breaks.
        StaleData: There are no weights of t, or what they were made from was withdrawn.
        MissingSession: Another input does not exist.
        ConfigError: A rule or limit is refused.
        InvariantBroken: Another decision has orders in the session.
    """
    identity = decision_id(market=ws.market.name, strategy=strategy, session=session)
    decision = books.decisions.decision(identity)
    if decision is None:
        _require_decidable(ws, session, books, identity)
        inputs = _gather_inputs(ws, session, books, strategy)
        taken = inputs_to_decision(inputs, ws.market, execution=execution, rules=rules)
        decision = books.decisions.record_decision(taken, decision_to_intents(taken))
    frame = decision_to_frame(decision)
    fingerprint = ws.store.write(RISK_DECISION, session, frame)
    return Written(session, frame.height, fingerprint, decision_to_facts(decision))


def submit_session(ws: Workspace, *, session: date, books: TradingBooks, broker: Broker) -> Written:
    """Send each intent of the session's decision once: sales first, then buys.

    The kill switch is read right before each order; the order is marked SUBMITTING before the call
    and carries the id of its decision, so the broker drops a second copy. An order that an earlier
    run left SUBMITTING or UNKNOWN is first looked up at the broker, and only sent, under the same
    id, where the broker never saw it. A refusal is recorded and the next order goes out. Anything
    else stops the sending: orders that were not sent stay as they are, so that a later run of this
    step can send them while the session lasts; `collect_executions` denies them after its close.

    Returns:
        What was written of ORDERS. It is written also when an error is raised after the sending
        stopped, and a repeated run writes the same bytes.

    Raises:
        MissingSession: The session has no decision.
        TradingHalted: The kill switch is engaged or cannot be read.
        OrderStateUnknown: The broker may or may not have an order.
        BrokerUnavailable: The broker cannot be reached.
    """
    _require_partition(ws, RISK_DECISION, session)
    cause: TradeGraphError | None = None
    for record in in_sending_order(books.orders.orders(session)):
        if cause is None and record.status in _TO_SEND:
            cause = _submit_order(record, books, broker)
    frame = orders_to_frame(books.orders.orders(session))
    fingerprint = ws.store.write(ORDERS, session, frame)
    if cause is not None:
        raise cause
    return Written(session, frame.height, fingerprint, _count(frame["status"].to_list()))


def collect_executions(
    ws: Workspace, *, session: date, books: TradingBooks, broker: Broker
) -> Written:
    """Book what the broker did in a closed session, and end the session's orders.

    Executions that are stored already are left alone, so running again changes nothing. An order
    still open at the broker ends EXPIRED, one that never reached it DENIED.

    Returns:
        What was written of FILLS.

    Raises:
        MissingSession: The session is not settled at the broker yet.
        BrokerUnavailable: The broker cannot be reached.
        InvariantBroken: An execution belongs elsewhere, or comes with other content than before.
    """
    fills, bookings = broker.executions(session)
    _require_own(ws, session, [*fills, *bookings])
    new = books.executions.record_executions(fills, bookings)
    for record in books.orders.orders(session):
        _close_order(record, books, broker)
    stored = [fill for fill in books.executions.fills(session) if fill.session == session]
    frame = fills_to_frame(stored)
    fingerprint = ws.store.write(FILLS, session, frame)
    facts = {"new_executions": new, "bookings": len(bookings)}
    return Written(session, frame.height, fingerprint, facts)


def _require_decidable(ws: Workspace, session: date, books: TradingBooks, identity: str) -> None:
    gap = reconciliation_gap(ws.calendar, session, books.reconciliations.latest())
    if gap is not None:
        raise NotReconciled(gap, table=RISK_DECISION.name, session=session)
    other = other_decision(books.orders.orders(session), identity)
    if other is not None:
        raise InvariantBroken(
            f"decision {other} already has orders: one strategy decides a session; configure it "
            "again, or trade the next session",
            table=RISK_DECISION.name,
            session=session,
        )


def _require_partition(ws: Workspace, schema: FrameSchema, session: date) -> None:
    if session not in ws.store.partitions(schema.name):
        raise MissingSession("materialise it first", table=schema.name, session=session)


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


def _gather_inputs(
    ws: Workspace, session: date, books: TradingBooks, strategy: str
) -> DecisionInputs:
    previous = ws.calendar.previous(session)
    gap = research_gap({name: ws.store.partitions(name) for name in _RESEARCH}, previous)
    if gap is not None:
        raise StaleData(gap, table=TARGET_WEIGHTS.name, session=previous)
    weights = ws.store.read(TARGET_WEIGHTS, [previous])
    wanted: dict[str, float] = dict(zip(weights["symbol"], weights["weight_frac"], strict=True))
    fills, bookings = books.executions.fills(previous), books.executions.bookings(previous)
    book = _fold(ws, fills, bookings, previous)
    quotes = bars_to_quotes(
        ws.store.read(ADJUSTED_BARS, [previous]),
        ws.store.read(VALIDATED_BARS, [previous])["symbol"].to_list(),
        wanted.keys() | book.positions.keys(),
    )
    flows = flows_by_session(bookings)
    actions = events_in_force(ws.store.read(CORPORATE_ACTIONS, [session]))
    return DecisionInputs(
        session=session,
        strategy=strategy,
        weights=wanted,
        book=book,
        quotes=quotes,
        actions=frame_to_actions(actions),
        previous_equity=_equity_before(ws, fills, bookings, previous) + flows.get(previous, ZERO),
        decided=_decided(ws, books, strategy, days=_days_since_opening(ws, bookings, previous)),
        flows=flows,
        halt=_halt_reason(books.kill_switch),
        sources=_fingerprints(ws, previous, session),
    )


def _fingerprints(ws: Workspace, previous: date, session: date) -> dict[str, str]:
    read = [(table.name, previous) for table in (TARGET_WEIGHTS, ADJUSTED_BARS, VALIDATED_BARS)]
    return {
        name: ws.store.fingerprint(name, day)
        for name, day in [*read, (CORPORATE_ACTIONS.name, session)]
    }


def _fold(ws: Workspace, fills: Sequence[Fill], bookings: Sequence[Booking], session: date) -> Book:
    return executions_to_book(
        fills, bookings, session=session, unsellable_sessions=ws.market.unsellable_sessions
    )


def _equity_before(
    ws: Workspace, fills: Sequence[Fill], bookings: Sequence[Booking], previous: date
) -> Decimal:
    """Equity at the close of t-1; only a book that holds something needs its bars."""
    if not any(booking.session < previous for booking in bookings):
        return ZERO
    before = ws.calendar.previous(previous)
    book = _fold(ws, fills, bookings, before)
    if not any(position.quantity_shares for position in book.positions.values()):
        return book.cash
    prices = read_prices(ws, before)
    return book_to_equity(book, {symbol: to_decimal(price) for symbol, price in prices.items()})


def _days_since_opening(
    ws: Workspace, bookings: Sequence[Booking], previous: date
) -> tuple[date, ...]:
    opened = min((booking.session for booking in bookings), default=None)
    return () if opened is None else ws.calendar.between(opened, previous)


def _decided(
    ws: Workspace, books: TradingBooks, strategy: str, *, days: Sequence[date]
) -> tuple[tuple[date, Decimal], ...]:
    """Session and equity of the strategy's decisions on `days`."""
    names = (decision_id(market=ws.market.name, strategy=strategy, session=day) for day in days)
    found = map(books.decisions.decision, names)
    return tuple((one.session, one.equity) for one in found if one is not None)


def _halt_reason(kill_switch: KillSwitch) -> str | None:
    try:
        reason = kill_switch.engaged()
    except StoreError as error:
        return f"the kill switch cannot be read: {error}"
    return None if reason is None else f"the kill switch is engaged: {reason}"


def _submit_order(
    record: OrderRecord, books: TradingBooks, broker: Broker
) -> TradeGraphError | None:
    """Recover or send one order; what it returns stops the sending."""
    intent = record.intent
    if record.status is not OrderStatus.INTENT:
        try:
            known = broker.order(intent.client_order_id)
        except BrokerUnavailable as error:
            return error
        if known is not None:
            return _store_answer(record, record.status, known, books)
    halt = _halt_reason(books.kill_switch)
    if halt is not None:
        return TradingHalted(
            f"{halt}; this order and those after it were not sent, materialise orders again once "
            "the switch is reset",
            table=ORDERS.name,
            session=intent.session,
            symbol=intent.symbol,
        )
    if record.status is not OrderStatus.INTENT:
        return _send(record, record.status, books, broker)
    if books.orders.advance(intent.client_order_id, OrderStatus.INTENT, OrderStatus.SUBMITTING):
        return _send(record, OrderStatus.SUBMITTING, books, broker)
    return OrderStateUnknown(
        f"another run is sending order {intent.client_order_id}; wait for it to end",
        table=ORDERS.name,
        session=intent.session,
        symbol=intent.symbol,
    )


def _send(
    record: OrderRecord, status: OrderStatus, books: TradingBooks, broker: Broker
) -> TradeGraphError | None:
    name = record.intent.client_order_id
    try:
        answer = broker.submit(record.intent)
    except OrderRefused as error:
        books.orders.advance(name, status, OrderStatus.REJECTED, reason=error.message)
        return None
    except OrderStateUnknown as error:
        if status is not OrderStatus.UNKNOWN:
            books.orders.advance(name, status, OrderStatus.UNKNOWN, reason=error.message)
        return error
    except (BrokerUnavailable, TradingHalted) as error:
        return error
    return _store_answer(record, status, answer, books)


def _store_answer(
    record: OrderRecord, status: OrderStatus, answer: BrokerOrder, books: TradingBooks
) -> TradeGraphError | None:
    intent = record.intent
    move = transition(status, answer.status, answer.reason)
    if answer.quantity_shares != intent.quantity_shares or move.refusal:
        return InvariantBroken(
            f"order {intent.client_order_id} of {intent.quantity_shares} shares is at the broker "
            f"as {answer}; {move.refusal or 'the quantities differ'}, halt and ask the broker",
            table=ORDERS.name,
            session=intent.session,
            symbol=intent.symbol,
        )
    if move.is_change:
        books.orders.advance(
            intent.client_order_id,
            move.before,
            move.after,
            broker_order_id=answer.broker_order_id,
            reason=move.reason,
        )
    return None


def _close_order(record: OrderRecord, books: TradingBooks, broker: Broker) -> None:
    name = record.intent.client_order_id
    known = None if record.status.is_terminal else broker.order(name)
    move = closing_transition(record, known)
    if move.is_change:
        books.orders.advance(
            name,
            move.before,
            move.after,
            broker_order_id=known.broker_order_id if known else "",
            reason=move.reason,
        )


def _count(statuses: list[str]) -> dict[str, float | int | str]:
    return {status: statuses.count(status) for status in sorted(set(statuses))}
