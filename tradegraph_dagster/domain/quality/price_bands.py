"""The market's price limits for rows of bars."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL
from tradegraph_dagster.domain.markets.limits import limit_cents
from tradegraph_dagster.domain.markets.schema import SETTLED_SESSIONS, Listing, Market

# Decimal places kept of a computed reference: binary dust must not decide a half-cent.
REFERENCE_PLACES = 6
# Beyond it whole numbers of that many places do not fit 64 bits; the price before was already
# impossible.
LARGEST_REFERENCE = 1e12

_CENT = 10 ** (REFERENCE_PLACES - 2)
_RULE = ("session", "board", "is_st", "new_listing", "new_age")


def add_price_bands(bars: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Add `is_limited`, `lower_limit` and `upper_limit`, equal to the market's own price bands.

    Rows without a usable reference close, or of symbols that are not listed on the session, are
    left out: no limit can be told for them.

    Args:
        bars: Rows with `session`, `symbol`, `reference_close`, `is_st` and `sessions_listed` as
            in ADJUSTED_BARS, and `listed_on`, null where the symbol is no instrument of the
            session.
        market: Whose rules hold. The reference is rounded half-up to its tick, as exchanges
            publish it.
    """
    # Less than half a tick rounds to nothing.
    usable = pl.col("reference_close").is_between(float(market.tick) / 2, LARGEST_REFERENCE)
    is_new = pl.col("sessions_listed") < SETTLED_SESSIONS
    known = bars.filter(usable, pl.col("sessions_listed") >= 1, pl.col("listed_on").is_not_null())
    rows = known.join(_boards(known, market), on="symbol").with_columns(
        new_listing=pl.when(is_new).then("listed_on"),
        new_age=pl.when(is_new).then("sessions_listed"),
    )
    ruled = rows.join(_percents(rows, market), on=_RULE, how="left", nulls_equal=True)
    lower, upper = limit_cents(_reference_cents(market.tick), pl.col("percent"))
    banded = ruled.with_columns(
        is_limited=pl.col("percent").is_not_null(), lower_limit=lower, upper_limit=upper
    ).sort(SESSION_SYMBOL)
    return banded.with_columns(
        _to_price(banded.get_column(name)) for name in ("lower_limit", "upper_limit")
    ).drop("board", "new_listing", "new_age", "percent")


def _to_price(cents: pl.Series) -> pl.Series:
    # In NumPy: Polars multiplies by the inverse of 100, which is not always the nearest number.
    prices = cents.cast(pl.Float64).to_numpy() / 100.0
    return pl.Series(cents.name, prices).fill_nan(None)


def _boards(bars: pl.DataFrame, market: Market) -> pl.DataFrame:
    symbols = bars.get_column("symbol").unique()
    boards = [market.board(symbol) for symbol in symbols]
    return pl.DataFrame({"symbol": symbols, "board": pl.Series(boards, dtype=pl.String)})


def _percents(rows: pl.DataFrame, market: Market) -> pl.DataFrame:
    """One row (_RULE, percent) for each case the market tells apart, asked by a row of the case."""
    cases = rows.unique(_RULE, keep="first").select(
        *_RULE, "symbol", "listed_on", "sessions_listed"
    )
    percents = [
        market.band_percent(
            Listing(row["symbol"], row["listed_on"], row["is_st"]),
            row["session"],
            sessions_listed=row["sessions_listed"],
        )
        for row in cases.iter_rows(named=True)
    ]
    return cases.select(*_RULE, percent=pl.Series(percents, dtype=pl.Int64))


def _reference_cents(tick: Decimal) -> pl.Expr:
    """The reference, rounded half-up to a tick, in cents."""
    size = int(tick.scaleb(REFERENCE_PLACES))
    whole = (pl.col("reference_close") * 10**REFERENCE_PLACES).round(0).cast(pl.Int64)
    ticks = (2 * whole + size) // (2 * size)
    cents: pl.Expr = (2 * ticks * size + _CENT) // (2 * _CENT)
    return cents
