"""Table and values of the performance stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema
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
        "fees": Column(pl.Float64, "paid in the session", MONEY),
        "dividends": Column(pl.Float64, "cash booked from dividends in the session", MONEY),
        "realised_pnl": Column(pl.Float64, "of the session, before fees", MONEY),
        "traded_notional": Column(pl.Float64, "buys plus sells", MONEY),
        "turnover_frac": Column(
            pl.Float64, "traded notional over the same equity as return_frac", "fraction"
        ),
        "benchmark_return_frac": Column(
            pl.Float64, "equal-weight mean return of the universe's names", "fraction"
        ),
        "gross_exposure_frac": Column(pl.Float64, "market value over equity", "fraction"),
        "largest_position_frac": Column(pl.Float64, "largest position over equity", "fraction"),
        "drawdown_frac": Column(
            pl.Float64, "1 - equity over its peak, which moves with deposits", "fraction"
        ),
        "positions": Column(pl.Int32, "names held", "names"),
    },
)


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
    """

    session: date
    book: Book
    book_before: Book
    fills: Sequence[Fill]
    bookings: Sequence[Booking]


@dataclass(frozen=True, slots=True)
class EquityHistory:
    """What earlier rows of DAILY_PNL say.

    Attributes:
        previous: Equity at the previous close; 0 before the first session.
        peak: Highest equity at any earlier close, moved by deposits since; 0 before the first
            session.
    """

    previous: float = 0.0
    peak: float = 0.0


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
