"""The ledger's book as POSITIONS rows, valued at the prices of the session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.orders.schema import Book
from tradegraph_dagster.domain.reconciliation.schema import POSITIONS


def book_to_positions(book: Book, prices: Mapping[str, float], *, session: date) -> pl.DataFrame:
    """What is held after the session's close, S symbols sorted.

    Args:
        book: Folded through the session.
        prices: Symbol -> price, quote currency a share.
        session: The session.

    Raises:
        MissingSession: A holding has no price.
    """
    held = [position for position in book.positions.values() if position.quantity_shares]
    unpriced = sorted(position.symbol for position in held if position.symbol not in prices)
    if unpriced:
        raise MissingSession(
            f"no price of {len(unpriced)} holdings; materialise adjusted_bars of the session "
            "with them, or book their delisting",
            table=POSITIONS.name,
            session=session,
            symbol=unpriced[0],
        )
    if not held:
        return POSITIONS.empty()
    rows = [
        {
            "session": session,
            "symbol": position.symbol,
            "quantity_shares": position.quantity_shares,
            "sellable_shares": position.sellable_shares,
            "average_cost": float(position.average_cost),
            "last_price": prices[position.symbol],
            "market_value": position.quantity_shares * prices[position.symbol],
            "realised_pnl": float(position.realised_pnl),
        }
        for position in held
    ]
    return conform_frame(pl.DataFrame(rows), POSITIONS)
