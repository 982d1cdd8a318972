"""Table of the performance stage."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema

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
        "return_frac": Column(pl.Float64, "pnl over the previous equity", "fraction"),
        "fees": Column(pl.Float64, "paid in the session", MONEY),
        "dividends": Column(pl.Float64, "cash booked from dividends in the session", MONEY),
        "realised_pnl": Column(pl.Float64, "of the session, before fees", MONEY),
        "traded_notional": Column(pl.Float64, "buys plus sells", MONEY),
        "turnover_frac": Column(pl.Float64, "traded notional over previous equity", "fraction"),
        "benchmark_return_frac": Column(
            pl.Float64, "equal-weight mean return of the universe's names", "fraction"
        ),
        "gross_exposure_frac": Column(pl.Float64, "market value over equity", "fraction"),
        "largest_position_frac": Column(pl.Float64, "largest position over equity", "fraction"),
        "drawdown_frac": Column(pl.Float64, "1 - equity over its peak, >= 0", "fraction"),
        "positions": Column(pl.Int32, "names held", "names"),
    },
)
