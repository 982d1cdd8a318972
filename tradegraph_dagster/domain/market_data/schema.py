"""Tables of the market data stage."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.findings import findings_schema
from tradegraph_dagster.domain.core.frames import INSTANT, Column, FrameSchema

PRICE = "quote currency a share"

INSTRUMENTS = FrameSchema(
    name="instruments",
    doc="Every instrument listed on a session, as known then.",
    columns={
        "session": Column(pl.Date, "trading date"),
        "symbol": Column(pl.String, "exchange code, such as 600000.SH or AAPL"),
        "name": Column(pl.String, "display name"),
        "board": Column(pl.String, "board by the market's own table"),
        "listed_on": Column(pl.Date, "first trading date"),
        "is_st": Column(pl.Boolean, "under special treatment (China)"),
        "industry": Column(
            pl.String, "industry, by the source's own classes; null if unknown", nullable=True
        ),
    },
)

RAW_BARS = FrameSchema(
    name="raw_bars",
    doc="Unadjusted daily bars of every listed instrument, one row a version.",
    key=("session", "symbol", "known_at"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "symbol": Column(pl.String, "exchange code"),
        "open": Column(pl.Float64, "first price; null when suspended", PRICE, nullable=True),
        "high": Column(pl.Float64, "highest price; null when suspended", PRICE, nullable=True),
        "low": Column(pl.Float64, "lowest price; null when suspended", PRICE, nullable=True),
        "close": Column(pl.Float64, "last price; null when suspended", PRICE, nullable=True),
        "volume": Column(pl.Float64, "0 when suspended", "shares"),
        "amount": Column(pl.Float64, "turnover; 0 when suspended", "quote currency"),
        "is_suspended": Column(pl.Boolean, "no trading on the session"),
        "source": Column(pl.String, "which source said so"),
        "known_at": Column(INSTANT, "when the source showed this version"),
    },
)

VENDOR_FINDINGS = findings_schema(
    "vendor_findings",
    "What was wrong with the vendors' answers: repeated rows, wrong days, late, in disagreement.",
)

INDEX_MEMBERS = FrameSchema(
    name="index_members",
    doc="Members of an index on a session, as known then.",
    key=("session", "index_code", "symbol"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "index_code": Column(pl.String, "the index provider's code, such as 000300"),
        "symbol": Column(pl.String, "exchange code"),
        "source": Column(pl.String, "which source said so"),
        "known_at": Column(INSTANT, "when the source showed it"),
    },
)
