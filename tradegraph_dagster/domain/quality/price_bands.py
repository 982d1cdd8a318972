"""The market's price limits for rows of bars."""

from __future__ import annotations

from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.core.money import round_half_up, to_decimal
from tradegraph_dagster.domain.markets.schema import Listing, Market, PriceBand

# Decimal places kept of a computed reference: binary dust must not decide a half-cent.
REFERENCE_PLACES = 6
# Beyond it Decimal runs out of digits; the price before was already impossible.
LARGEST_REFERENCE = 1e12

_ARGUMENTS = (*SESSION_SYMBOL, "listed_on", "is_st", "sessions_listed", "reference_close")
_BAND = {"is_limited": pl.Boolean, "lower_limit": pl.Float64, "upper_limit": pl.Float64}


def add_price_bands(bars: pl.DataFrame, instruments: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Add `is_limited`, `lower_limit` and `upper_limit`, one call of the market a row.

    Rows without a usable reference close, or of symbols that are not listed on the session, are
    left out: no limit can be told for them.

    Args:
        bars: ADJUSTED_BARS rows, the fewer the better.
        instruments: INSTRUMENTS rows of the same sessions.
        market: Whose rules hold. The reference is rounded half-up to its tick, as exchanges
            publish it.
    """
    listed = instruments.select(*SESSION_SYMBOL, "listed_on")
    # Less than half a tick rounds to nothing.
    usable = pl.col("reference_close").is_between(float(market.tick) / 2, LARGEST_REFERENCE)
    rows = bars.filter(usable).join(listed, on=SESSION_SYMBOL).sort(SESSION_SYMBOL)
    bands = [
        _band(
            market,
            Listing(symbol, listed_on, is_st),
            session,
            reference_close=reference_close,
            sessions_listed=sessions_listed,
        )
        for session, symbol, listed_on, is_st, sessions_listed, reference_close in rows.select(
            _ARGUMENTS
        ).iter_rows()
    ]
    columns = {
        "is_limited": [band is not None for band in bands],
        "lower_limit": [None if band is None else float(band.lower) for band in bands],
        "upper_limit": [None if band is None else float(band.upper) for band in bands],
    }
    return rows.with_columns(pl.DataFrame(columns, schema=_BAND))


def _band(
    market: Market, listing: Listing, session: date, *, reference_close: float, sessions_listed: int
) -> PriceBand | None:
    reference = round_half_up(to_decimal(round(reference_close, REFERENCE_PLACES)), market.tick)
    return market.price_band(listing, reference, session, sessions_listed=sessions_listed)
