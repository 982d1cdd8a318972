"""Close a session's books: gather both sides, compare, keep positions and breaks.

1. `_gather_ledger` and `_gather_broker` read; nothing is changed at the broker.
2. `holdings.book_to_positions` and `compare.books_to_breaks` decide.
3. `reconcile_session` writes both tables, then records the outcome: the session is closed last.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import NotReconciled, StaleData
from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.prices import read_prices
from tradegraph_dagster.domain.reconciliation.compare import (
    actions_to_ratios,
    books_to_breaks,
    breaks_to_text,
)
from tradegraph_dagster.domain.reconciliation.holdings import book_to_positions
from tradegraph_dagster.domain.reconciliation.schema import (
    BREAKS,
    POSITIONS,
    BrokerView,
    LedgerView,
)

# Brokers book bonus shares up to two weeks after the ex-date.
SUSPECT_WINDOW_SESSIONS = 10


def reconcile_session(
    ws: Workspace, *, session: date, books: TradingBooks, broker: Broker
) -> tuple[Written, Written]:
    """Compare the ledger with the broker after the session's close.

    Breaks are values: they are written, recorded and returned, never raised. Running again while
    neither side has changed writes the same bytes and no new record. Breaks stay until they are
    cleared: no later session is closed before this one has been compared again without any.

    Returns:
        What was written of POSITIONS and of BREAKS.

    Raises:
        NotReconciled: An earlier session has breaks; nothing was written.
        MissingSession: The session's adjusted bars do not exist, or lack a holding.
        StaleData: The broker's statement is of another session.
        BrokerUnavailable: The broker cannot be asked; nothing was written.
    """
    _require_no_open_breaks(ws, session, books)
    ledger = _gather_ledger(ws, session, books)
    theirs = _gather_broker(session, ledger, broker)
    positions = book_to_positions(ledger.book, _last_prices(ws, session), session=session)
    breaks = books_to_breaks(ledger, theirs, ratios=actions_to_ratios(_recent_actions(ws, session)))
    made = [
        Written(
            session,
            frame.height,
            ws.store.write(schema, session, frame),
            facts,
        )
        for schema, frame, facts in (
            (POSITIONS, positions, {"cash": float(ledger.book.cash)}),
            (BREAKS, breaks, _count_kinds(breaks)),
        )
    ]
    books.reconciliations.record_reconciliation(
        session,
        breaks=breaks.height,
        fingerprint=data_fingerprint([part.fingerprint for part in made]),
    )
    return made[0], made[1]


def _require_no_open_breaks(ws: Workspace, session: date, books: TradingBooks) -> None:
    latest = books.reconciliations.latest()
    if latest is None or latest[0] >= session or not latest[1]:
        return
    closed, breaks = latest
    stored = closed in ws.store.partitions(BREAKS.name)
    shown = breaks_to_text(ws.store.read(BREAKS, [closed])) if stored else "see their table"
    raise NotReconciled(
        f"the books of {closed} have {breaks} breaks ({shown}): clear them, materialise fills and "
        f"positions of {closed} again, then close {session}",
        table=BREAKS.name,
        session=closed,
    )


def _gather_ledger(ws: Workspace, session: date, books: TradingBooks) -> LedgerView:
    fills = books.executions.fills(session)
    bookings = books.executions.bookings(session)
    book = executions_to_book(
        fills,
        bookings,
        session=session,
        unsellable_sessions=ws.market.unsellable_sessions,
    )
    return LedgerView(
        book,
        books.orders.orders(session),
        [fill for fill in fills if fill.session == session],
        [booking for booking in bookings if booking.session == session],
    )


def _gather_broker(session: date, ledger: LedgerView, broker: Broker) -> BrokerView:
    statement = broker.statement(session)
    if statement.session != session:
        raise StaleData(
            f"{broker.name} gave the statement of {statement.session}; ask again after its close",
            table=BREAKS.name,
            session=session,
        )
    ids = [record.intent.client_order_id for record in ledger.orders]
    fills, bookings = broker.executions(session)
    return BrokerView(statement, {name: broker.order(name) for name in ids}, fills, bookings)


def _last_prices(ws: Workspace, session: date) -> dict[str, float]:
    return _earlier_prices(ws, session) | read_prices(ws, session)


def _earlier_prices(ws: Workspace, session: date) -> dict[str, float]:
    """Prices of the session before, for names that have no bar any more."""
    before = ws.trailing(session, 2)[:-1]
    if not before or before[0] not in ws.store.partitions(POSITIONS.name):
        return {}
    positions = ws.store.read(POSITIONS, before)
    return dict(zip(positions["symbol"], positions["last_price"], strict=True))


def _recent_actions(ws: Workspace, session: date) -> pl.DataFrame:
    present = ws.store.partitions(CORPORATE_ACTIONS.name)
    window = ws.trailing(session, SUSPECT_WINDOW_SESSIONS)
    stored = ws.store.read(CORPORATE_ACTIONS, [day for day in window if day in present])
    return events_in_force(stored)


def _count_kinds(breaks: pl.DataFrame) -> Mapping[str, float | int | str]:
    kinds: list[str] = breaks["kind"].to_list()
    return {"breaks": len(kinds)} | {kind: kinds.count(kind) for kind in sorted(set(kinds))}
