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
        price: That fills, on the tick grid and within low to high; None without trading.
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
    fill_at: Literal["open", "close", "vwap"],
) -> dict[str, Tape]:
    """Symbol -> tape, for those of `symbols` that are listed and have a bar.

    Args:
        bars: ADJUSTED_BARS rows of one session; the raw columns are read.
        instruments: INSTRUMENTS rows of the same session.
        symbols: Who is asked for.
        market: Limits and lots.
        fill_at: Which price fills.
    """
    wanted = pl.col("symbol").is_in(sorted(symbols))
    listed = instruments.filter(wanted).select("symbol", "listed_on")
    rows = bars.filter(wanted).join(listed, on="symbol").sort("symbol")
    return {
        row["symbol"]: _row_to_tape(row, market, row["session"], _fill_price(row, fill_at))
        for row in rows.iter_rows(named=True)
    }


def _row_to_tape(
    row: dict[str, Any], market: Market, session: date, quoted: Decimal | None
) -> Tape:
    extremes = (row["raw_low"], row["raw_high"])
    if quoted is None or row["is_suspended"] or None in (*extremes, row["volume"]):
        price, low, high, volume = None, Decimal(0), Decimal(0), 0
    else:
        low, high = (round_half_up(to_decimal(value), market.tick) for value in extremes)
        price = min(max(round_half_up(quoted, market.tick), low), high)
        volume = _raw_volume(row)
    return Tape(
        symbol=row["symbol"],
        price=price,
        low=low,
        high=high,
        volume_shares=volume,
        band=_band(row, market, session),
        lot_rule=market.lot_rule(row["symbol"], session),
    )


def _fill_price(row: dict[str, Any], fill_at: str) -> Decimal | None:
    """The session's open or close, or what a share cost on average; None where it is not known."""
    if fill_at != "vwap":
        return None if row[f"raw_{fill_at}"] is None else to_decimal(row[f"raw_{fill_at}"])
    if row["volume"] is None or _raw_volume(row) <= 0:
        return None
    return to_decimal(row["amount"]) / _raw_volume(row)


def _raw_volume(row: dict[str, Any]) -> int:
    shares: int = round(row["volume"] * row["share_factor"])
    return shares


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
