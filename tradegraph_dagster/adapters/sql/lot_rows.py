"""Open lots as rows: a fold of fills and bookings, rewritten for the symbols that change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date

from sqlalchemy import Connection, delete, func, insert, select

from tradegraph_dagster.adapters.sql.execution_rows import row_to_booking, row_to_fill, rows_with
from tradegraph_dagster.adapters.sql.order_rows import IDS_A_QUERY
from tradegraph_dagster.adapters.sql.tables import BOOKINGS, FILLS, LOTS
from tradegraph_dagster.domain.orders.executions import ExecutionPlan
from tradegraph_dagster.domain.orders.lots import Lot, open_lots
from tradegraph_dagster.domain.orders.schema import Booking, Fill


def rewrite_lots(connection: Connection, market: str, plan: ExecutionPlan) -> None:
    """Bring the lots of a plan's symbols up to date; call it before the plan is stored.

    What comes after everything stored is added to the lots that stand open. A bust, or a session
    that something as late is stored of already, has the symbol folded anew from its beginning.
    """
    fills = list(plan.fills)
    bookings = [one for one in plan.bookings if one.symbol and one.shares]
    symbols = {fill.symbol for fill in fills} | {booking.symbol for booking in bookings}
    if not symbols:
        return
    anew = _to_fold_anew(connection, market, fills, bookings)
    before = [
        Lot(row.symbol, row.session, row.shares, row.price)
        for row in rows_with(connection, LOTS, (market, "symbol"), symbols - anew)
    ]
    stored_fills = rows_with(connection, FILLS, (market, "symbol"), anew)
    stored_bookings = rows_with(connection, BOOKINGS, (market, "symbol"), anew)
    lots = open_lots(
        [*map(row_to_fill, stored_fills), *fills],
        [*map(row_to_booking, stored_bookings), *bookings],
        before=before,
    )
    _replace_lots(connection, market, symbols, lots)


def _to_fold_anew(
    connection: Connection, market: str, fills: Sequence[Fill], bookings: Sequence[Booking]
) -> set[str]:
    """Symbols in which what is stored has to be seen again."""
    first: dict[str, date] = {}
    arriving: list[Fill | Booking] = [*fills, *bookings]
    for one in arriving:
        first[one.symbol] = min(one.session, first.get(one.symbol, one.session))
    anew = {fill.symbol for fill in fills if fill.busts}
    # A bust may have come before its trade.
    ids = {fill.execution_id for fill in fills}
    anew |= {row.symbol for row in rows_with(connection, FILLS, (market, "busts"), ids)}
    names = sorted(first.keys() - anew)
    for table in (FILLS, BOOKINGS):
        for start in range(0, len(names), IDS_A_QUERY):
            query = (
                select(table.c.symbol, func.max(table.c.session).label("newest"))
                .where(
                    table.c.market == market,
                    table.c.symbol.in_(names[start : start + IDS_A_QUERY]),
                )
                .group_by(table.c.symbol)
            )
            for row in connection.execute(query):
                if row.newest >= first[row.symbol]:
                    anew.add(row.symbol)
    return anew


def _replace_lots(
    connection: Connection, market: str, symbols: Iterable[str], lots: Sequence[Lot]
) -> None:
    names = sorted(symbols)
    for start in range(0, len(names), IDS_A_QUERY):
        some = names[start : start + IDS_A_QUERY]
        connection.execute(delete(LOTS).where(LOTS.c.market == market, LOTS.c.symbol.in_(some)))
    numbers: dict[str, int] = {}
    rows = []
    for lot in lots:
        number = numbers[lot.symbol] = numbers.get(lot.symbol, -1) + 1
        rows.append({"market": market, "number": number, **asdict(lot)})
    if rows:
        connection.execute(insert(LOTS), rows)
