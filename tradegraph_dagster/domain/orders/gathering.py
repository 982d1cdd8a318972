"""What a decision for session t+1 is made from, read from the lake and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from tradegraph_dagster.domain.core.errors import InvariantBroken, NotReconciled, StaleData
from tradegraph_dagster.domain.core.money import ZERO, to_decimal
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import book_through
from tradegraph_dagster.domain.orders.entitlements import frame_to_actions
from tradegraph_dagster.domain.orders.holders import read_holders
from tradegraph_dagster.domain.orders.inputs import DecisionInputs
from tradegraph_dagster.domain.orders.last_look import halt_reason
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.preconditions import (
    other_decision,
    reconciliation_gap,
    research_gap,
)
from tradegraph_dagster.domain.orders.prices import read_prices
from tradegraph_dagster.domain.orders.schema import Booking, Commitments, Fill
from tradegraph_dagster.domain.orders.valuation import (
    bars_to_quotes,
    book_to_equity,
    flows_by_session,
)
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.risk.schema import RISK_DECISION
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

# Weights and what they are made from, first to last.
_RESEARCH = (UNIVERSE.name, FEATURES, FORECASTS.name, TARGET_WEIGHTS.name)


def require_decidable(ws: Workspace, session: date, books: TradingBooks, identity: str) -> None:
    """Refuse to decide ahead of the books, or beside another strategy.

    Raises:
        NotReconciled: The books of the session before are not closed.
        InvariantBroken: Another decision has orders in the session.
    """
    gap = reconciliation_gap(ws.calendar, session, books.reconciliations.latest())
    if gap is not None:
        raise NotReconciled(gap, table=RISK_DECISION.name, session=session)
    other = other_decision(books.orders.orders(session), identity)
    if other is not None:
        raise _crowded(other, session)


def require_alone(bound: Commitments, session: date) -> None:
    """Refuse beside a strategy that has decided the session in the meantime.

    To be asked in the transaction that stores a new decision, which has no orders of its own yet.

    Raises:
        InvariantBroken: Another decision has orders in the session.
    """
    if bound.sent_in_session:
        of_session = (one.intent for one in bound.working if one.intent.session == session)
        other = min((intent.decision_id for intent in of_session), default="of another strategy")
        raise _crowded(other, session)


def _crowded(other: str, session: date) -> InvariantBroken:
    return InvariantBroken(
        f"decision {other} already has orders: one strategy decides a session; configure it "
        "again, or trade the next session",
        table=RISK_DECISION.name,
        session=session,
    )


def gather_inputs(
    ws: Workspace, session: date, books: TradingBooks, strategy: str
) -> DecisionInputs:
    """Weights and quotes of t, the book after its close, and what came before.

    Raises:
        StaleData: There are no weights of t, or what they were made from was withdrawn.
        MissingSession: Another input does not exist.
    """
    previous = ws.calendar.previous(session)
    gap = research_gap({name: ws.store.partitions(name) for name in _RESEARCH}, previous)
    if gap is not None:
        raise StaleData(gap, table=TARGET_WEIGHTS.name, session=previous)
    weights = ws.store.read(TARGET_WEIGHTS, [previous])
    wanted: dict[str, float] = dict(zip(weights["symbol"], weights["weight_frac"], strict=True))
    fills, bookings = books.executions.fills(previous), books.executions.bookings(previous)
    book = book_through(ws, previous, fills, bookings)
    quotes = bars_to_quotes(
        ws.store.read(ADJUSTED_BARS, [previous]),
        ws.store.read(VALIDATED_BARS, [previous])["symbol"].to_list(),
        wanted.keys() | book.positions.keys(),
    )
    flows = flows_by_session(bookings, lambda day: read_prices(ws, day))
    actions = events_in_force(ws.store.read(CORPORATE_ACTIONS, [session]))
    return DecisionInputs(
        session=session,
        strategy=strategy,
        weights=wanted,
        book=book,
        holders=read_holders(
            books,
            fills,
            bookings,
            strategy=strategy,
            symbols=[name for name, one in book.positions.items() if one.quantity_shares],
        ),
        quotes=quotes,
        actions=frame_to_actions(actions),
        previous_equity=_equity_before(ws, fills, bookings, previous) + flows.get(previous, ZERO),
        decided=books.decisions.equities(previous),
        flows=flows,
        halt=halt_reason(books.kill_switch),
        sources=_fingerprints(ws, previous, session),
    )


def _fingerprints(ws: Workspace, previous: date, session: date) -> dict[str, str]:
    tables = (TARGET_WEIGHTS, FORECASTS, ADJUSTED_BARS, VALIDATED_BARS)
    read = [(table.name, previous) for table in tables]
    return {
        name: ws.store.fingerprint(name, day)
        for name, day in [*read, (CORPORATE_ACTIONS.name, session)]
    }


def _equity_before(
    ws: Workspace, fills: Sequence[Fill], bookings: Sequence[Booking], previous: date
) -> Decimal:
    """Equity at the close of t-1; only a book that holds something needs its bars."""
    if not any(booking.session < previous for booking in bookings):
        return ZERO
    before = ws.calendar.previous(previous)
    book = book_through(ws, before, fills, bookings)
    if not any(position.quantity_shares for position in book.positions.values()):
        return book.cash
    prices = read_prices(ws, before)
    return book_to_equity(book, {symbol: to_decimal(price) for symbol, price in prices.items()})
