"""What the lake says of a session, one instrument at a time, in Decimal and whole shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from tradegraph_dagster.domain.core.money import round_half_up, to_decimal
from tradegraph_dagster.domain.markets.schema import Listing, LotRule, Market, PriceBand

# Decimal places kept of a computed reference: binary dust must not decide a half-cent.
REFERENCE_PLACES = 6


@dataclass(frozen=True, slots=True)
class Tape:
    """One instrument in one session.

    Attributes:
        price: Of the auction that fills; None without trading.
        low: Lowest trade of the session, on the tick grid.
        high: Highest trade of the session, on the tick grid.
        volume_shares: Raw.
        band: Price limits; None where there are none.
        lot_rule: Legal order sizes.
    """

    symbol: str
    price: Decimal | None
    low: Decimal
    high: Decimal
    volume_shares: int
    band: PriceBand | None
    lot_rule: LotRule


def frames_to_tapes(
    bars: pl.DataFrame,
    instruments: pl.DataFrame,
    symbols: set[str],
    *,
    market: Market,
    fill_at: Literal["open", "close"],
) -> dict[str, Tape]:
    """Symbol -> tape, for those of `symbols` that are listed and have a bar.

    Args:
        bars: ADJUSTED_BARS rows of one session; the raw columns are read.
        instruments: INSTRUMENTS rows of the same session.
        symbols: Who is asked for.
        market: Limits and lots.
        fill_at: Which auction fills.
    """
    wanted = pl.col("symbol").is_in(sorted(symbols))
    listed = instruments.filter(wanted).select("symbol", "listed_on")
    rows = bars.filter(wanted).join(listed, on="symbol").sort("symbol")
    return {
        row["symbol"]: _row_to_tape(row, market, row["session"], f"raw_{fill_at}")
        for row in rows.iter_rows(named=True)
    }


def _row_to_tape(row: dict[str, Any], market: Market, session: date, column: str) -> Tape:
    quoted = (row[column], row["raw_low"], row["raw_high"])
    trades = not row["is_suspended"] and None not in (*quoted, row["volume"])
    price, low, high = (
        (round_half_up(to_decimal(value), market.tick) for value in quoted)
        if trades
        else (None, Decimal(0), Decimal(0))
    )
    return Tape(
        symbol=row["symbol"],
        price=price,
        low=low or Decimal(0),
        high=high or Decimal(0),
        volume_shares=round(row["volume"] * row["share_factor"]) if trades else 0,
        band=_band(row, market, session),
        lot_rule=market.lot_rule(row["symbol"], session),
    )


def _band(row: dict[str, Any], market: Market, session: date) -> PriceBand | None:
    if row["reference_close"] is None:
        return None
    reference = to_decimal(round(row["reference_close"], REFERENCE_PLACES))
    return market.price_band(
        Listing(row["symbol"], row["listed_on"], row["is_st"]),
        round_half_up(reference, market.tick),
        session,
        sessions_listed=row["sessions_listed"],
    )
