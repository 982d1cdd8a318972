"""Orders that the book does not bear any more: it changed after they were decided.

A fill, a bust or a split of an earlier session may be booked between the decision and the sending.
What was sized on the book of before must not go out on the book of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import book_through
from tradegraph_dagster.domain.orders.entitlements import frame_to_actions
from tradegraph_dagster.domain.orders.intents import in_sending_order
from tradegraph_dagster.domain.orders.lots import fills_in_force
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import OrderIntent, OrderRecord, OrderStatus
from tradegraph_dagster.domain.orders.valuation import Opening, Quotes, book_to_opening
from tradegraph_dagster.domain.risk.gates.buying_power import GATE as BUYING_POWER
from tradegraph_dagster.domain.risk.order_gate import GateResult
from tradegraph_dagster.domain.risk.schema import Holding, Line

# Of these it is not known that the broker has them.
_UNSENT = frozenset({OrderStatus.INTENT, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


def stale_orders(
    ws: Workspace, session: date, books: TradingBooks, records: Iterable[OrderRecord]
) -> dict[str, str]:
    """Order -> why the book as it is now does not bear it; only of orders that may go out yet.

    The book is folded once, through the session before, so that what this session's own orders
    have filled does not count. An order is borne while its symbol's shares are those that the
    decision saw, a sale while so many shares can be sold, a buy while cash, reservations and the
    sales that go out still cover it, as its gate reckoned.

    Args:
        ws: Reads `corporate_actions` of the session.
        session: t+1.
        books: The ledger.
        records: Orders of the session.

    Raises:
        MissingSession: The corporate actions do not exist any more.
    """
    unsent = in_sending_order(record for record in records if record.status in _UNSENT)
    if not unsent:
        return {}
    opening = _opening(ws, session, books)
    lines: dict[str, Mapping[str, Line]] = {}
    funds: dict[str, Mapping[str, Sequence[GateResult]]] = {}
    for name in sorted({record.intent.decision_id for record in unsent}):
        decision = books.decisions.decision(name)
        if decision is None:
            raise InvariantBroken(f"orders of {name}, which is not stored", session=session)
        lines[name] = {line.symbol: line for line in decision.lines}
        funds[name] = books.decisions.gate_results(name)
    found: dict[str, str] = {}
    unpaid = freed = ZERO
    for record in unsent:
        intent = record.intent
        line = lines[intent.decision_id][intent.symbol]
        told = _cash_inputs(funds[intent.decision_id].get(intent.client_order_id, ()))
        reason = _share_reason(intent, line, opening.holdings.get(intent.symbol, Holding(0, 0)))
        reason = reason or _cash_reason(intent, told, opening.cash + freed, unpaid)
        if not reason:
            continue
        found[intent.client_order_id] = reason
        if intent.side is Side.SELL:
            unpaid += intent.quantity_shares * line.price
        else:
            freed += told.get("needed", ZERO)
    return found


def _opening(ws: Workspace, session: date, books: TradingBooks) -> Opening:
    """The book before the session's open, as it is known by now: a bust counts whenever it came."""
    book = book_through(
        ws,
        ws.calendar.previous(session),
        fills_in_force(books.executions.fills(session)),
        books.executions.bookings(session),
    )
    actions = frame_to_actions(events_in_force(ws.store.read(CORPORATE_ACTIONS, [session])))
    return book_to_opening(book, Quotes({}, {}), actions, tick=ws.market.tick)


def _share_reason(intent: OrderIntent, line: Line, held: Holding) -> str:
    if held.shares != line.held_shares:
        return f"it saw {line.held_shares} shares of {intent.symbol}, the book has {held.shares}"
    if intent.side is Side.SELL and intent.quantity_shares > held.sellable:
        return f"{intent.quantity_shares} shares are for sale, {held.sellable} can be sold"
    return ""


def _cash_inputs(results: Sequence[GateResult]) -> dict[str, Decimal]:
    """What the gate of the buying power looked at; nothing where it was not asked."""
    for result in results:
        if result.gate == BUYING_POWER.name:
            names = ("needed", "reserved", "sale_proceeds")
            return {name: Decimal(result.inputs[name]) for name in names}
    return {}


def _cash_reason(
    intent: OrderIntent, told: Mapping[str, Decimal], cash: Decimal, unpaid: Decimal
) -> str:
    """Why a buy is not covered.

    Args:
        intent: The order.
        told: What its gate looked at.
        cash: As it is now, with what buys before it had reserved and do not need.
        unpaid: What the sales would have brought that do not go out.
    """
    if intent.side is Side.SELL or not told:
        return ""
    available = cash - told["reserved"] + max(told["sale_proceeds"] - unpaid, ZERO)
    if told["needed"] <= available:
        return ""
    return f"{told['needed']} is needed with fees, {available} is available"
