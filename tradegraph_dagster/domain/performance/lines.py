"""Profit and loss by strategy and symbol, from the executions of each.

    pnl to date = realised + unrealised - fees + dividends - transferred

holds for every line in Decimal, and the lines together make the profit of the account. What a
session adds is the difference from the line of the session before, so that an execution which
comes late is counted once, when it is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.money import ZERO, to_decimal
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.schema import Booking
from tradegraph_dagster.domain.orders.valuation import FLOW_KINDS
from tradegraph_dagster.domain.performance.attribution import Share
from tradegraph_dagster.domain.performance.schema import STRATEGY_PNL

LineKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One symbol of one strategy, to date; an empty symbol is money of the whole account."""

    quantity_shares: int = 0
    market_value: Decimal = ZERO
    unrealised: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    dividends: Decimal = ZERO
    transferred: Decimal = ZERO

    @property
    def pnl(self) -> Decimal:
        """What it won so far."""
        won = self.realised + self.unrealised + self.dividends
        return won - self.fees - self.transferred


def shares_to_lines(
    shares: Iterable[Share],
    prices: Mapping[str, float],
    *,
    session: date,
    before: Mapping[LineKey, Line],
) -> dict[LineKey, Line]:
    """Every line that ever traded, valued after the session's close.

    Args:
        shares: Executions by strategy, through the session.
        prices: Symbol -> price, quote currency a share; every holding has one.
        session: The session.
        before: Lines of the session before: what was transferred until then was valued then.
    """
    lines: dict[LineKey, Line] = {}
    for share in shares:
        book = executions_to_book(
            share.fills, share.bookings, session=session, unsellable_sessions=0
        )
        fees = _sum_by_symbol((fill.symbol, fill.fee) for fill in share.fills)
        paid = _sum_by_symbol(
            (one.symbol, one.cash) for one in share.bookings if one.kind not in FLOW_KINDS
        )
        for symbol in sorted(book.positions.keys() | fees.keys() | paid.keys()):
            key = (share.strategy, symbol)
            held = book.positions.get(symbol)
            quantity = held.quantity_shares if held else 0
            value = quantity * to_decimal(prices[symbol]) if quantity else ZERO
            lines[key] = Line(
                quantity_shares=quantity,
                market_value=value,
                unrealised=value - quantity * held.average_cost if held else ZERO,
                realised=held.realised_pnl if held else ZERO,
                fees=fees.get(symbol, ZERO),
                dividends=paid.get(symbol, ZERO),
                transferred=before.get(key, Line()).transferred
                + _transferred(share.bookings, symbol, prices, session),
            )
    return lines


def lines_to_frame(
    lines: Mapping[LineKey, Line], before: Mapping[LineKey, Line], session: date
) -> pl.DataFrame:
    """STRATEGY_PNL rows of a session."""
    nothing = Line()
    rows = []
    for key in sorted(lines.keys() | before.keys()):
        now, then = lines.get(key, nothing), before.get(key, nothing)
        rows.append(
            {
                "session": session,
                "strategy": key[0],
                "symbol": key[1],
                "quantity_shares": now.quantity_shares,
                "market_value": float(now.market_value),
                "unrealised_pnl": float(now.unrealised),
                "realised_pnl": float(now.realised - then.realised),
                "fees": float(now.fees - then.fees),
                "dividends": float(now.dividends - then.dividends),
                "pnl": float(now.pnl - then.pnl),
                "realised_to_date": float(now.realised),
                "fees_to_date": float(now.fees),
                "dividends_to_date": float(now.dividends),
                "transferred_to_date": float(now.transferred),
                "pnl_to_date": float(now.pnl),
            }
        )
    return conform_frame(pl.DataFrame(rows, schema=STRATEGY_PNL.dtypes), STRATEGY_PNL)


def frame_to_lines(frame: pl.DataFrame) -> dict[LineKey, Line]:
    """STRATEGY_PNL rows of one session as they were stored."""
    stored = {
        "quantity_shares": "quantity_shares",
        "market_value": "market_value",
        "unrealised": "unrealised_pnl",
        **{name: f"{name}_to_date" for name in ("fees", "dividends", "transferred", "realised")},
    }
    return {
        (row["strategy"], row["symbol"]): Line(
            row["quantity_shares"],
            *(to_decimal(row[stored[one.name]]) for one in fields(Line)[1:]),
        )
        for row in frame.iter_rows(named=True)
    }


def _sum_by_symbol(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for symbol, amount in amounts:
        sums[symbol] = sums.get(symbol, ZERO) + amount
    return sums


def _transferred(
    bookings: Sequence[Booking], symbol: str, prices: Mapping[str, float], session: date
) -> Decimal:
    """Value of the shares that came from outside in the session, less what left."""
    shares = sum(
        one.shares
        for one in bookings
        if one.session == session and one.symbol == symbol and one.kind in FLOW_KINDS
    )
    return shares * to_decimal(prices[symbol]) if shares else ZERO
