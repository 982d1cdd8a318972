"""Faults put into clean bars on purpose, each known by session and symbol."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.quality.schema import GateInput

SYMBOLS = tuple(f"{600_000 + number}.SH" for number in range(30))
DAYS = weekdays(12)
USUAL_VOLUME = 2_000_000.0
PRICES = ("open", "high", "low", "close")
SUSPENDED = {
    **dict.fromkeys((*PRICES, *(f"raw_{name}" for name in PRICES), "vwap", "volume")),
    "amount": 0.0,
    "is_suspended": True,
}


def damage(
    bars: pl.DataFrame, session: date, symbols: Sequence[str] | str, **values: object
) -> pl.DataFrame:
    """Replace values of some rows; a value may be an expression over the row."""
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    is_hit = (pl.col("session") == session) & pl.col("symbol").is_in(names)
    changed = {
        name: pl.when(is_hit)
        .then(value if isinstance(value, pl.Expr) else pl.lit(value))
        .otherwise(pl.col(name))
        for name, value in values.items()
    }
    return conform_frame(bars.with_columns(**changed), ADJUSTED_BARS)


def scaled(factor: float, *columns: str) -> dict[str, pl.Expr]:
    return {name: pl.col(name) * factor for name in columns}


def all_prices(factor: float) -> dict[str, pl.Expr]:
    return scaled(factor, *PRICES, *(f"raw_{name}" for name in PRICES), "vwap", "amount")


def repeated(
    bars: pl.DataFrame, session: date, before: date, symbols: Sequence[str]
) -> pl.DataFrame:
    """Bars of `session` replaced by those of `before` for some symbols."""
    names = ["open", "high", "low", "close", "vwap", "volume", "amount"]
    names += ["raw_open", "raw_high", "raw_low", "raw_close", "share_factor"]
    is_hit = (
        (pl.col("session") == session)
        & pl.col("symbol").is_in(symbols)
        & pl.col("old_share_factor").is_not_null()
    )
    old = bars.filter(pl.col("session") == before).select(
        "symbol", *(pl.col(name).alias(f"old_{name}") for name in names)
    )
    joined = bars.join(old, on="symbol", how="left")
    return conform_frame(
        joined.with_columns(
            pl.when(is_hit).then(f"old_{name}").otherwise(name).alias(name) for name in names
        ),
        ADJUSTED_BARS,
    )


@cache
def clean_bars() -> pl.DataFrame:
    """Twelve sessions of thirty names listed long ago, with a turnover that varies little."""
    bars = make_adjusted_bars(DAYS, SYMBOLS, seed=3)
    return bars.with_columns(
        pl.col("sessions_listed") + 500, pl.col("volume") + USUAL_VOLUME
    ).with_columns(amount=pl.col("vwap") * pl.col("volume"))


def gate_input(
    bars: pl.DataFrame,
    *,
    sessions: Sequence[date] = DAYS,
    instruments: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
    market: Market | None = None,
) -> GateInput:
    return GateInput(
        bars=bars,
        instruments=make_instruments(clean_bars()) if instruments is None else instruments,
        actions=CORPORATE_ACTIONS.empty() if actions is None else actions,
        sessions=tuple(sessions),
        market=market or PlainMarket(),
    )


@cache
def random_damage(seed: int, faults: int = 12) -> pl.DataFrame:
    """Clean bars with some faults at places drawn by `seed`."""
    rng = np.random.default_rng(seed)
    bars = clean_bars()
    kinds: list[dict[str, object]] = [
        {"raw_high": pl.col("raw_low") * 0.5},
        {"raw_close": -1.0},
        {"close": float("nan")},
        {"volume": None},
        scaled(100, "amount"),
        all_prices(1.5),
        all_prices(0.5),
        SUSPENDED,
        {"reference_close": None},
    ]
    for _ in range(faults):
        day = DAYS[rng.integers(len(DAYS))]
        hit = list(rng.choice(SYMBOLS, size=rng.integers(1, 8), replace=False))
        kind = rng.integers(len(kinds) + 2)
        if kind == len(kinds):
            bars = bars.filter((pl.col("session") != day) | ~pl.col("symbol").is_in(hit))
        elif kind > len(kinds):
            bars = repeated(bars, day, PlainMarket().calendar.previous(day), hit)
        else:
            bars = damage(bars, day, hit, **kinds[kind])
    return bars
