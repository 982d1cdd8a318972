"""The whole history a vendor delivered, and what audits of it find.

An audit looks at all rows of a symbol at once, later ones included: it writes a report for a person
before research begins. What trades is judged by the gates, which never look ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tradegraph_dagster.domain.core.findings import Severity
from tradegraph_dagster.domain.core.frames import Column, FrameSchema, conform_frame

PRICES = ("open", "high", "low", "close")
ROW_TYPES: Mapping[str, type[pl.DataType] | pl.DataType] = {
    "symbol": pl.String,
    "at": pl.Datetime("us"),
    **dict.fromkeys(PRICES, pl.Float64),
    "volume": pl.Float64,
    "cash": pl.Float64,
    "split_ratio": pl.Float64,
    "adjusted_close": pl.Float64,
    "capital_gains": pl.Float64,
}
# A name that hardly trades has a median move of zero; no price is known better than this.
SMALLEST_NOISE = 0.01
# With fewer names a median is no market.
MIN_MARKET_NAMES = 20
# Standard deviation of a normal law over its median absolute deviation.
MAD_TO_STD = 1.4826

HISTORY_FINDINGS = FrameSchema(
    name="history_findings",
    doc="What the audits found in a vendor's whole history.",
    key=("symbol", "session", "audit"),
    columns={
        "symbol": Column(pl.String, "exchange code"),
        "session": Column(pl.Date, "first date concerned"),
        "last_session": Column(pl.Date, "last date concerned"),
        "rows": Column(pl.Int64, "rows concerned", "rows"),
        "audit": Column(pl.String, "name of the audit"),
        "severity": Column(pl.String, "quarantine: wrong; warn: odd, and possibly as it was"),
        "expected": Column(pl.String, "what the audit expects"),
        "found": Column(pl.String, "what it found"),
    },
)


@dataclass(frozen=True)
class VendorHistory:
    """Rows of a vendor, whatever their interval, and what is derived from them.

    Attributes:
        rows: As delivered, sorted by symbol and `at`: the columns of ROW_TYPES. `at` is local to
            the exchange. `cash` is before tax on a share and less what a holder pays for rights;
            `split_ratio` is shares after the event for one before; `capital_gains` is a part of
            `cash`. Nulls are allowed but in the key.
        closes: The rows with a close, one a moment, with `session`, `position` in the symbol's
            rows, `previous_close`, `move` (log of the change of the close), `step` (change of
            adjusted over unadjusted close), `total_move` (log of the change of the adjusted close,
            else `move`), `fall` (log of what events take off a close), `surprise` (`move` without
            the events), `own_move` (`move` without the median surprise of all names, where there
            are enough), `noise` (usual size of what is left of it without the events, by symbol),
            and `days` since the close before. Events between two closes count on the later one.
        prices: Whether prices and cash before a split are divided by its ratio.
    """

    rows: pl.DataFrame
    closes: pl.DataFrame
    prices: Literal["raw", "split_adjusted"]


@dataclass(frozen=True)
class Audit:
    """One entry of the audit catalogue. The finder returns HISTORY_FINDINGS rows, pure."""

    name: str
    find: Callable[[VendorHistory], pl.DataFrame]


def rows_to_history(
    rows: pl.DataFrame, *, prices: Literal["raw", "split_adjusted"] = "raw"
) -> VendorHistory:
    """Sort a vendor's rows and derive what the audits look at.

    Args:
        rows: Columns of ROW_TYPES; all but symbol, `at` and the prices may be missing.
        prices: What the vendor says its prices are.

    Raises:
        polars.exceptions.PolarsError: A column cannot be cast.
    """
    absent = [pl.lit(None).alias(name) for name in ROW_TYPES if name not in rows.columns]
    typed = rows.with_columns(absent).select(
        pl.col(name).cast(dtype) for name, dtype in ROW_TYPES.items()
    )
    filled = typed.with_columns(
        pl.col("cash", "capital_gains").fill_null(0.0),
        # Vendors write 0 or nothing where there is no split.
        split_ratio=pl.when(pl.col("split_ratio") > 0).then("split_ratio").otherwise(1.0),
    ).sort("symbol", "at", maintain_order=True)
    return VendorHistory(filled, _closes(filled, prices), prices)


def to_history_findings(
    rows: pl.DataFrame,
    audit: str,
    *,
    expected: str | pl.Expr,
    found: pl.Expr,
    is_odd_only: pl.Expr | None = None,
) -> pl.DataFrame:
    """One HISTORY_FINDINGS row for each of `rows`, the first of a symbol and session.

    Args:
        rows: Need `symbol` and `session`; `last_session` and `rows` are one session and one row
            where they are missing.
        audit: Name of the audit.
        expected: A text, or an expression over `rows` that makes one.
        found: Expression over `rows` that makes a text.
        is_odd_only: Expression over `rows`, true where the finding only warns; None for nowhere.
    """
    last = "last_session" if "last_session" in rows.columns else "session"
    count = pl.col("rows") if "rows" in rows.columns else pl.lit(1)
    worded = rows.select(
        "symbol",
        "session",
        last_session=last,
        rows=count,
        audit=pl.lit(audit),
        severity=pl.when(is_odd_only if is_odd_only is not None else pl.lit(False))
        .then(pl.lit(Severity.WARN.value))
        .otherwise(pl.lit(Severity.QUARANTINE.value)),
        expected=pl.lit(expected) if isinstance(expected, str) else expected,
        found=found,
    )
    once = worded.unique(["symbol", "session"], keep="first", maintain_order=True)
    return conform_frame(once, HISTORY_FINDINGS)


def rounded(name: str) -> pl.Expr:
    """A price or an amount for the text of a finding."""
    return pl.col(name).round_sig_figs(6).cast(pl.String).fill_null("missing")


def _closes(rows: pl.DataFrame, prices: str) -> pl.DataFrame:
    once = rows.unique(["symbol", "at"], keep="last", maintain_order=True)
    has_close = pl.col("close") > 0
    counts_on = pl.when(has_close).then("at").backward_fill().over("symbol")
    events = (
        once.with_columns(at=counts_on)
        .group_by("symbol", "at")
        .agg(pl.col("cash", "capital_gains").sum(), pl.col("split_ratio").product())
    )
    closes = (
        once.filter(has_close)
        .drop("cash", "capital_gains", "split_ratio")
        .join(events, on=["symbol", "at"], how="left", maintain_order="left")
        .with_columns(
            session=pl.col("at").dt.date(),
            position=pl.int_range(pl.len()).over("symbol"),
            previous_close=pl.col("close").shift(1).over("symbol"),
            factor=pl.col("adjusted_close") / pl.col("close"),
        )
    )
    before = pl.col("previous_close")
    after_cash = pl.when(pl.col("cash") < before).then(before - pl.col("cash"))
    shares = pl.col("split_ratio") if prices == "raw" else pl.lit(1.0)
    moved = closes.with_columns(
        move=(pl.col("close") / before).log(),
        step=(pl.col("factor") / pl.col("factor").shift(1)).over("symbol"),
        fall=(before / after_cash * shares).log(),
    ).with_columns(surprise=pl.col("move") + pl.col("fall"))
    market = pl.when(pl.len() >= MIN_MARKET_NAMES).then(pl.col("surprise").median()).over("at")
    alone = moved.with_columns(own_move=pl.col("move") - market.fill_null(0.0))
    spread = ((pl.col("own_move") + pl.col("fall")).abs().median() * MAD_TO_STD).over("symbol")
    return alone.with_columns(
        total_move=pl.coalesce(pl.col("move") + pl.col("step").log(), "move"),
        noise=pl.max_horizontal(spread.fill_null(0.0), pl.lit(SMALLEST_NOISE)),
        days=pl.col("at").diff().over("symbol").dt.total_days(),
    ).drop("factor")


def near(column: str, size: float, tolerance: float) -> pl.Expr:
    """Whether a log is that of a factor or of its inverse, within a factor of `tolerance`."""
    return (pl.col(column).abs() - math.log(size)).abs() < math.log(tolerance)
