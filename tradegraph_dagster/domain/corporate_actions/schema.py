"""Tables of the corporate action stage."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.frames import INSTANT, Column, FrameSchema

RAW = "quote currency a share, unadjusted"
ADJUSTED = "quote currency a share of the first session's share count"

CORPORATE_ACTIONS = FrameSchema(
    name="corporate_actions",
    doc="Events whose ex-date is the session, one row a version; several on one day are one event.",
    key=("session", "symbol", "known_at"),
    columns={
        "session": Column(pl.Date, "ex-date"),
        "symbol": Column(pl.String, "exchange code"),
        "cash_per_share": Column(pl.Float64, "cash dividend before tax", "quote currency a share"),
        "bonus_ratio": Column(pl.Float64, "bonus and transferred shares", "new shares a share"),
        "rights_ratio": Column(pl.Float64, "rights offered", "new shares a share"),
        "rights_price": Column(pl.Float64, "subscription price; 0 without rights", RAW),
        "split_ratio": Column(pl.Float64, "shares after a split for one before; 1 without", ""),
        "source": Column(pl.String, "which source said so"),
        "known_at": Column(INSTANT, "when this version became known"),
    },
)

ADJUSTED_BARS = FrameSchema(
    name="adjusted_bars",
    doc="Raw bars times the cumulative factor through the session.",
    columns={
        "session": Column(pl.Date, "trading date"),
        "symbol": Column(pl.String, "exchange code"),
        "open": Column(pl.Float64, "null when suspended", ADJUSTED, nullable=True),
        "high": Column(pl.Float64, "null when suspended", ADJUSTED, nullable=True),
        "low": Column(pl.Float64, "null when suspended", ADJUSTED, nullable=True),
        "close": Column(pl.Float64, "null when suspended", ADJUSTED, nullable=True),
        "vwap": Column(pl.Float64, "amount over volume; null without trades", ADJUSTED, True),
        "volume": Column(pl.Float64, "null when suspended", "adjusted shares", nullable=True),
        "amount": Column(pl.Float64, "never adjusted; 0 when suspended", "quote currency"),
        "raw_open": Column(pl.Float64, "null when suspended", RAW, nullable=True),
        "raw_high": Column(pl.Float64, "null when suspended", RAW, nullable=True),
        "raw_low": Column(pl.Float64, "null when suspended", RAW, nullable=True),
        "raw_close": Column(pl.Float64, "null when suspended", RAW, nullable=True),
        "reference_close": Column(
            pl.Float64,
            "last traded raw close, ex-right on an ex-date, unrounded; null on the first session",
            RAW,
            nullable=True,
        ),
        "last_raw_close": Column(
            pl.Float64, "newest raw close so far, carried over suspensions", RAW, nullable=True
        ),
        "price_factor": Column(pl.Float64, "adjusted price over raw price, cumulative"),
        "share_factor": Column(pl.Float64, "raw volume over adjusted volume, cumulative"),
        "is_suspended": Column(pl.Boolean, "no trading on the session"),
        "is_carried": Column(
            pl.Boolean, "listed, but no bar came: the row stands in for it as suspended"
        ),
        "is_st": Column(pl.Boolean, "under special treatment (China)"),
        "sessions_listed": Column(pl.Int32, "sessions since listing, 1 on the first", "sessions"),
    },
)
