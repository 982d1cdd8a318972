"""Tables of the reconciliation stage."""

from __future__ import annotations

import polars as pl

from tradegraph_dagster.domain.core.frames import Column, FrameSchema

POSITIONS = FrameSchema(
    name="positions",
    doc="What is held after the session's close.",
    columns={
        "session": Column(pl.Date, "trading date"),
        "symbol": Column(pl.String, "exchange code"),
        "quantity_shares": Column(pl.Int64, "held", "shares"),
        "sellable_shares": Column(pl.Int64, "sellable in the next session", "shares"),
        "average_cost": Column(pl.Float64, "fees not included", "quote currency a share"),
        "last_price": Column(pl.Float64, "newest raw close", "quote currency a share"),
        "market_value": Column(pl.Float64, "quantity times last price", "quote currency"),
        "realised_pnl": Column(pl.Float64, "to date, before fees", "quote currency"),
    },
)

BREAKS = FrameSchema(
    name="breaks",
    doc="Where the ledger and the broker differ; empty when reconciled.",
    key=("session", "kind", "symbol", "reference"),
    columns={
        "session": Column(pl.Date, "trading date"),
        "kind": Column(
            pl.String,
            "missing_fill, orphan_order, orphan_position, qty_mismatch, cash_mismatch, "
            "corp_action_suspect or stale_order",
        ),
        "symbol": Column(pl.String, "exchange code; empty for cash"),
        "reference": Column(pl.String, "order or execution id; empty otherwise"),
        "expected": Column(pl.String, "what the ledger says"),
        "found": Column(pl.String, "what the broker says"),
    },
)
