"""The gate before the first order of a session: what the broker holds is what the ledger says."""

from __future__ import annotations

from datetime import date

from tradegraph_dagster.domain.core.errors import NotReconciled
from tradegraph_dagster.domain.core.ids import ORDER_PREFIX
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.ports import Broker, TradingBooks
from tradegraph_dagster.domain.orders.schema import BrokerStatement
from tradegraph_dagster.domain.reconciliation.compare import breaks_to_text, holding_breaks
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, Break, BreakKind
from tradegraph_dagster.domain.reconciliation.standing import drop_acknowledged, known_keys
from tradegraph_dagster.domain.reconciliation.step import recent_ratios
from tradegraph_dagster.domain.reconciliation.views import (
    read_adjustments,
    read_book,
    read_statement,
)


def require_startup(ws: Workspace, *, session: date, books: TradingBooks, broker: Broker) -> None:
    """Refuse to send while the broker's orders, positions or cash are not what the ledger expects.

    A difference that an incident names already does not stop the session: the risk gate holds its
    symbol back, or all of them for cash. One that nobody has heard of does. Nothing is written.

    Args:
        ws: The market's rules and corporate actions.
        session: The session that is about to be traded.
        books: The ledger, closed through the session before.
        broker: Asked once, for its statement of the session before.

    Raises:
        NotReconciled: Something differs that no incident is about.
        StaleData: The statement is of another session.
        BrokerUnavailable: A part of it could not be read.
    """
    previous = ws.calendar.previous(session)
    statement = read_statement(broker, previous)
    differing = [
        *_strangers(statement, books),
        *holding_breaks(
            read_book(ws, previous, books), statement, ratios=recent_ratios(ws, previous)
        ),
    ]
    known = known_keys(books.incidents.open_incidents(), blocking=True)
    unheard = [
        one
        for one in drop_acknowledged(
            differing, read_adjustments(books), market=ws.market.name, session=previous
        )
        if one.key not in known
    ]
    if unheard:
        raise NotReconciled(
            f"{broker.name} differs from the ledger in {len(unheard)} places since the books were "
            f"closed ({breaks_to_text(unheard)}); nothing was sent, materialise fills and "
            f"positions of {previous} again",
            table=BREAKS.name,
            session=previous,
        )


def _strangers(statement: BrokerStatement, books: TradingBooks) -> list[Break]:
    """Orders under our name that may still fill and that the ledger lacks."""
    return [
        Break(
            BreakKind.ORPHAN_ORDER,
            order.symbol,
            order.client_order_id,
            "no such order",
            f"{order.status}, filled {order.filled_shares} of {order.quantity_shares}",
        )
        for order in statement.open_orders
        if order.client_order_id.startswith(ORDER_PREFIX)
        and books.orders.order(order.client_order_id) is None
    ]
