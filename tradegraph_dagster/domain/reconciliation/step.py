"""Close a session's books: read both sides, adopt facts, name what differs, keep it.

1. `views` reads; nothing is changed at the broker. What cannot be read ends the pass before
   anything is written.
2. `adoption` decides which of the broker's facts the ledger lacks: orders first, then executions.
3. `compare` names what differs before and after, `standing` which of it nobody has seen yet.
4. `reconcile_session` raises incidents, books the facts, and writes both tables; the session is
   closed last. A pass that finds what the one before it found writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.prices import read_prices
from tradegraph_dagster.domain.reconciliation.adoption import views_to_adoption
from tradegraph_dagster.domain.reconciliation.compare import (
    Ratios,
    actions_to_ratios,
    breaks_to_frame,
    views_to_breaks,
)
from tradegraph_dagster.domain.reconciliation.holdings import book_to_positions
from tradegraph_dagster.domain.reconciliation.schema import (
    BREAKS,
    POSITIONS,
    Adoption,
    Break,
    BrokerView,
    LedgerView,
)
from tradegraph_dagster.domain.reconciliation.standing import (
    adopted_breaks,
    break_to_incident,
    drop_acknowledged,
    known_keys,
)
from tradegraph_dagster.domain.reconciliation.views import (
    gather_broker,
    gather_ledger,
    names_at_broker,
)

# Brokers book bonus shares up to two weeks after the ex-date.
SUSPECT_WINDOW_SESSIONS = 10
# Of breaks in words; the table has them all.
BREAKS_SHOWN = 10


def reconcile_session(
    ws: Workspace, *, session: date, books: TradingBooks, broker: Broker
) -> tuple[Written, Written]:
    """Compare the ledger with the broker after the session's close, and adopt the broker's facts.

    Executions that the ledger lacks are booked, and open orders become what the broker says of
    them. Breaks are values: they are written, raised as incidents and returned, never raised as
    errors. The session is closed with them; what differs blocks its symbol, and for cash the whole
    market, until a person acknowledges the incident. Running again while neither side has changed
    writes nothing.

    Returns:
        What was written of POSITIONS and of BREAKS.

    Raises:
        MissingSession: The session's adjusted bars do not exist, or lack a holding.
        StaleData: The broker's statement is of another session.
        BrokerUnavailable: The broker cannot be asked; nothing was written.
    """
    ratios = recent_ratios(ws, session)
    prices = _last_prices(ws, session)
    theirs = gather_broker(session, books, broker)
    ledger = _gather(ws, session, books, theirs)
    found = _breaks(ws, ledger, theirs, ratios)
    adoption = views_to_adoption(ledger, theirs, found)
    if not adoption.is_empty:
        # Facts are raised before they are booked: a pass that dies between forgets neither.
        _raise_new(ws, session, books, adoption.breaks, blocks=False)
        _adopt(books, adoption)
        ledger = _gather(ws, session, books, theirs)
        found = _breaks(ws, ledger, theirs, ratios)
    _raise_new(ws, session, books, found, blocks=True)
    shown = {one.key: one for one in adopted_breaks(books.incidents.open_incidents(), session)}
    shown |= {one.key: one for one in found}
    positions = book_to_positions(ledger.book, prices, session=session)
    return _keep(
        ws,
        session,
        books,
        (positions, breaks_to_frame(list(shown.values()), session)),
        cash=float(ledger.book.cash),
    )


def recent_ratios(ws: Workspace, session: date) -> Ratios:
    """Symbol -> factors by which recent corporate actions multiply a holding."""
    present = ws.store.partitions(CORPORATE_ACTIONS.name)
    window = ws.trailing(session, SUSPECT_WINDOW_SESSIONS)
    stored = ws.store.read(CORPORATE_ACTIONS, [day for day in window if day in present])
    return actions_to_ratios(events_in_force(stored))


def _gather(ws: Workspace, session: date, books: TradingBooks, theirs: BrokerView) -> LedgerView:
    return gather_ledger(ws, session, books, names_at_broker(theirs.statement, theirs.fills))


def _breaks(ws: Workspace, ledger: LedgerView, theirs: BrokerView, ratios: Ratios) -> list[Break]:
    return drop_acknowledged(
        views_to_breaks(ledger, theirs, ratios=ratios),
        ledger.adjusted,
        market=ws.market.name,
        session=theirs.statement.session,
    )


def _raise_new(
    ws: Workspace, session: date, books: TradingBooks, breaks: Sequence[Break], *, blocks: bool
) -> None:
    """Raise what no open incident is about yet."""
    known = known_keys(books.incidents.open_incidents(), blocking=blocks)
    new = [
        break_to_incident(one, market=ws.market.name, session=session, blocks=blocks)
        for one in breaks
        if one.key not in known
    ]
    if new:
        books.incidents.raise_incidents(new)


def _adopt(books: TradingBooks, adoption: Adoption) -> None:
    """Executions first: they say what an order filled, and its end is judged by them."""
    if adoption.fills or adoption.bookings:
        books.executions.record_executions(adoption.fills, adoption.bookings)
    for event in adoption.events:
        books.orders.apply(event)


def _keep(
    ws: Workspace,
    session: date,
    books: TradingBooks,
    frames: tuple[pl.DataFrame, pl.DataFrame],
    *,
    cash: float,
) -> tuple[Written, Written]:
    positions, breaks = frames
    made = [
        Written(session, frame.height, ws.store.write(schema, session, frame), facts)
        for schema, frame, facts in (
            (POSITIONS, positions, {"cash": cash}),
            (BREAKS, breaks, _breaks_to_facts(breaks)),
        )
    ]
    books.reconciliations.record_reconciliation(
        session,
        breaks=breaks.height,
        fingerprint=data_fingerprint([part.fingerprint for part in made]),
    )
    return made[0], made[1]


def _last_prices(ws: Workspace, session: date) -> dict[str, float]:
    return _earlier_prices(ws, session) | read_prices(ws, session)


def _earlier_prices(ws: Workspace, session: date) -> dict[str, float]:
    """Prices of the session before, for names that have no bar any more."""
    before = ws.trailing(session, 2)[:-1]
    if not before or before[0] not in ws.store.partitions(POSITIONS.name):
        return {}
    positions = ws.store.read(POSITIONS, before)
    return dict(zip(positions["symbol"], positions["last_price"], strict=True))


def _breaks_to_facts(breaks: pl.DataFrame) -> Mapping[str, float | int | str]:
    """How many of each kind, and the first of them in words."""
    kinds: list[str] = breaks["kind"].to_list()
    words = [
        f"{row['symbol'] or 'account'}: {row['kind']}: expected {row['expected']}, "
        f"found {row['found']}"
        for row in breaks.head(BREAKS_SHOWN).iter_rows(named=True)
    ]
    counted = {"breaks": len(kinds)} | {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    return counted | ({"differs": "; ".join(words)} if words else {})
