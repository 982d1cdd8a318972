"""Table and values of the performance stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.orders.schema import Book, Booking, Fill

MONEY = "quote currency"

DAILY_PNL = FrameSchema(
    name="daily_pnl",
    doc="Equity, profit, costs and exposure of a session; one row.",
    key=("session",),
    columns={
        "session": Column(pl.Date, "trading date"),
        "equity": Column(pl.Float64, "cash plus market value at the close", MONEY),
        "cash": Column(pl.Float64, "at the close", MONEY),
        "market_value": Column(pl.Float64, "of all positions", MONEY),
        "pnl": Column(pl.Float64, "change of equity without deposits", MONEY),
        "return_frac": Column(
            pl.Float64, "pnl over the previous equity plus the session's deposits", "fraction"
        ),
        "fees": Column(pl.Float64, "paid in the session, or known late", MONEY),
        "dividends": Column(
            pl.Float64, "cash booked from dividends in the session, or known late", MONEY
        ),
        "realised_pnl": Column(pl.Float64, "of the session, or known late, before fees", MONEY),
        "traded_notional": Column(pl.Float64, "buys plus sells", MONEY),
        "turnover_frac": Column(
            pl.Float64, "traded notional over the same equity as return_frac", "fraction"
        ),
        "benchmark_return_frac": Column(
            pl.Float64, "equal-weight mean return of the universe's names", "fraction"
        ),
        "gross_exposure_frac": Column(pl.Float64, "absolute market values over equity", "fraction"),
        "largest_position_frac": Column(pl.Float64, "largest position over equity", "fraction"),
        "drawdown_frac": Column(
            pl.Float64, "1 - equity over its peak, which moves with deposits", "fraction"
        ),
        "positions": Column(pl.Int32, "names held", "names"),
        "net_exposure_frac": Column(
            pl.Float64, "market value over equity, short positions negative", "fraction", True
        ),
        "concentration_hhi": Column(
            pl.Float64, "sum of squared shares of the gross exposure", "fraction", True
        ),
        "unrealised_pnl": Column(pl.Float64, "market value less cost at the close", MONEY, True),
        "adjustments": Column(
            pl.Float64, "cash of other bookings that are no deposits", MONEY, True
        ),
        "pnl_to_date": Column(pl.Float64, "since the first session", MONEY, True),
        "max_drawdown_frac": Column(pl.Float64, "largest drawdown so far", "fraction", True),
        "deposits": Column(
            pl.Float64,
            "cash from outside less what left, of the session or known late",
            MONEY,
            True,
        ),
    },
)

STRATEGY_PNL = FrameSchema(
    name="strategy_pnl",
    doc="Profit and exposure by strategy and symbol; together they are the account's.",
    key=("session", "strategy", "symbol"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "strategy": Column(pl.String, "whose orders; empty for what nobody ordered"),
        "symbol": Column(pl.String, "exchange code; empty for money of the whole account"),
        "quantity_shares": Column(pl.Int64, "held at the close", "shares"),
        "market_value": Column(pl.Float64, "at the close", MONEY),
        "unrealised_pnl": Column(pl.Float64, "market value less cost at the close", MONEY),
        "realised_pnl": Column(pl.Float64, "of the session, before fees", MONEY),
        "fees": Column(pl.Float64, "of the session", MONEY),
        "dividends": Column(pl.Float64, "cash booked in the session, adjustments too", MONEY),
        "pnl": Column(pl.Float64, "of the session, after fees", MONEY),
        "realised_to_date": Column(pl.Float64, "since the first session, before fees", MONEY),
        "fees_to_date": Column(pl.Float64, "since the first session", MONEY),
        "dividends_to_date": Column(pl.Float64, "since the first session", MONEY),
        "transferred_to_date": Column(
            pl.Float64, "shares from outside, valued at the close they came on", MONEY
        ),
        "pnl_to_date": Column(pl.Float64, "since the first session, after fees", MONEY),
    },
)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Money of the whole account, summed over some executions, in the quote currency."""

    realised: Decimal = ZERO
    fees: Decimal = ZERO
    dividends: Decimal = ZERO
    adjustments: Decimal = ZERO
    deposits: Decimal = ZERO


@dataclass(frozen=True)
class SessionActivity:
    """What the ledger says of one session.

    Attributes:
        session: The session.
        book: Positions and cash after it.
        book_before: The same after the session before; its `session` is None if trading had
            not begun.
        fills: Its fills only.
        bookings: Its bookings only.
        late: What executions of earlier sessions add that their rows were made without.
    """

    session: date
    book: Book
    book_before: Book
    fills: Sequence[Fill]
    bookings: Sequence[Booking]
    late: Amounts = Amounts()


@dataclass(frozen=True, slots=True)
class EquityHistory:
    """What earlier rows of DAILY_PNL say.

    Attributes:
        previous: Equity at the previous close; 0 before the first session.
        peak: Highest equity at any earlier close, moved by deposits since; 0 before the first
            session.
        pnl: Sum of all profits so far.
        drawdown: Largest drawdown so far, as a fraction.
    """

    previous: float = 0.0
    peak: float = 0.0
    pnl: float = 0.0
    drawdown: float = 0.0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Return of the benchmark in one session.

    Attributes:
        return_frac: Mean over all names.
        names: Members of the universe.
        unpriced: Of these, how many had no return and counted as 0.
    """

    return_frac: float = 0.0
    names: int = 0
    unpriced: int = 0
