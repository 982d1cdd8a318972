"""A vendor's history without faults, and one fault of each kind put into it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.quality.history import PRICES

NAMES, ROWS = 25, 260
DAYS = pl.date_range(date(2020, 1, 1), date(2020, 12, 31), eager=True)[:ROWS].cast(
    pl.Datetime("us")
)
DIVIDENDS, SPLIT_ROW = (40, 100, 160, 220), 130
SYMBOL = "N03"
_DAILY = 0.012


def clean_rows(*, split_adjusted: bool = False, seed: int = 7) -> pl.DataFrame:
    """Names with four dividends of 2 % and a split of 2 each, and a true adjusted close."""
    random = np.random.default_rng(seed)
    return pl.concat(_name(f"N{n:02d}", random, split_adjusted) for n in range(NAMES))


def _name(symbol: str, random: np.random.Generator, split_adjusted: bool) -> pl.DataFrame:
    returns = random.normal(0, _DAILY, ROWS)
    close, cash, split = np.full(ROWS, 50.0), np.zeros(ROWS), np.ones(ROWS)
    split[SPLIT_ROW] = 2.0
    factor = np.ones(ROWS)
    shares = np.ones(ROWS) if split_adjusted else split
    for row in range(1, ROWS):
        before = close[row - 1]
        cash[row] = round(0.02 * before, 3) if row in DIVIDENDS else 0.0
        reference = (before - cash[row]) / shares[row]
        close[row] = reference * np.exp(returns[row])
        factor[row] = before / reference
    adjusted = close * np.cumprod(factor) / np.prod(factor)
    swing = np.abs(random.normal(0, _DAILY / 2, (2, ROWS)))
    return pl.DataFrame(
        {
            "symbol": symbol,
            "at": DAYS,
            "open": close,
            "high": close * (1 + swing[0]),
            "low": close * (1 - swing[1]),
            "close": close,
            "volume": random.integers(1_000, 1_000_000, ROWS).astype(float),
            "cash": cash,
            "split_ratio": split,
            "adjusted_close": adjusted,
        }
    )


def rows_between(first: int, last: int) -> pl.Expr:
    """Rows of the damaged name from one number to another, both included."""
    at = pl.col("at").is_between(DAYS[first], DAYS[last])
    return (pl.col("symbol") == SYMBOL) & at


def scaled(rows: pl.DataFrame, first: int, last: int, factor: float) -> pl.DataFrame:
    """The prices of some rows, with the adjusted close, times a factor."""
    names = (*PRICES, "adjusted_close")
    wrong = rows_between(first, last)
    return rows.with_columns(
        pl.when(wrong).then(pl.col(name) * factor).otherwise(name).alias(name) for name in names
    )


def without_step(rows: pl.DataFrame, row: int, times: float) -> pl.DataFrame:
    """The adjusted closes before a dividend with its step taken in so many times, not once."""
    one = rows.filter(rows_between(row, row))
    before = rows.filter(rows_between(row - 1, row - 1))["close"][0]
    cash = one["cash"][0]
    wrong = rows_between(0, row - 1)
    # Once is (before - cash) / before.
    other = (before - times * cash) / (before - cash)
    return rows.with_columns(
        adjusted_close=pl.when(wrong)
        .then(pl.col("adjusted_close") * other)
        .otherwise("adjusted_close")
    )


def _set(rows: pl.DataFrame, first: int, last: int, **values: pl.Expr | float) -> pl.DataFrame:
    wrong = rows_between(first, last)
    return rows.with_columns(
        pl.when(wrong).then(value).otherwise(name).alias(name) for name, value in values.items()
    )


def _stale(rows: pl.DataFrame) -> pl.DataFrame:
    source = rows.filter(rows_between(20, 20)).row(0, named=True)
    return _set(rows, 20, 24, **{name: pl.lit(source[name]) for name in (*PRICES, "volume")})


def _adjusted(rows: pl.DataFrame) -> pl.DataFrame:
    """Every price of the name is the adjusted one."""
    ratio = pl.col("adjusted_close") / pl.col("close")
    whole = rows_between(0, ROWS - 1)
    return rows.with_columns(
        pl.when(whole).then(pl.col(name) * ratio).otherwise(name).alias(name) for name in PRICES
    )


FAULTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "adjusted_among_raw": _adjusted,
    "bad_split": lambda rows: scaled(rows, 0, SPLIT_ROW - 1, 0.5),
    "dividend_counted_twice": lambda rows: without_step(rows, 100, 2.0),
    "dividend_not_applied": lambda rows: without_step(rows, 100, 0.0),
    "dividend_out_of_scale": lambda rows: without_step(rows, 100, 0.01),
    "duplicate_rows": lambda rows: pl.concat([rows, rows.filter(rows_between(30, 31))]),
    "ohlc_order": lambda rows: _set(rows, 30, 30, high=pl.col("low") * 0.9),
    "phantom_dividend": lambda rows: _set(rows, 30, 30, cash=pl.col("close") * 0.15),
    "repeated_dividend": lambda rows: _set(
        rows, 102, 102, cash=pl.col("cash").shift(2).over("symbol")
    ),
    "spliced_block": lambda rows: scaled(rows, 60, 75, 1.8),
    "stale_rows": _stale,
    "unit_x100": lambda rows: scaled(rows, 60, 75, 100.0),
}
