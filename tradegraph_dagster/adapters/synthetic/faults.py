"""Plants bad bars on purpose, so that gates and steps can be seen to catch them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from tradegraph_dagster.adapters.synthetic.options import Fault, FaultKind
from tradegraph_dagster.domain.core.errors import ConfigError

UNKNOWN_SYMBOL = "999999.SH"
_PRICES = ("open", "high", "low", "close")


def plant_faults(bars: pl.DataFrame, faults: Sequence[Fault]) -> pl.DataFrame:
    """Apply faults to the sessions they name; those of other sessions do nothing.

    Args:
        bars: RAW_BARS rows of the sessions asked for, before faults.
        faults: What to plant.

    Returns:
        RAW_BARS rows with the faults in them.

    Raises:
        ConfigError: A fault names a symbol without a traded bar on its session.
    """
    asked = set(bars.get_column("session").unique())
    spoiled = bars
    for fault in faults:
        if fault[1] in asked:
            spoiled = _plant(spoiled, fault, bars)
    return spoiled


def _plant(spoiled: pl.DataFrame, fault: Fault, bars: pl.DataFrame) -> pl.DataFrame:
    hit = pl.col("session") == fault[1]
    if len(fault) == 3:
        hit = hit & (pl.col("symbol") == fault[2])
    if bars.filter(hit & ~pl.col("is_suspended")).is_empty():
        raise ConfigError(
            f"fault {fault[0]} has nothing to spoil: expected a traded bar, found none",
            session=fault[1],
            symbol=fault[2] if len(fault) == 3 else None,
        )
    return _PLANTERS[fault[0]](spoiled, hit)


def _swap_high(bars: pl.DataFrame, hit: pl.Expr) -> pl.DataFrame:
    spoiled = pl.when(hit).then(pl.col("low") - 0.01).otherwise("high")
    return bars.with_columns(high=spoiled)


def _scale_unit(bars: pl.DataFrame, hit: pl.Expr) -> pl.DataFrame:
    return bars.with_columns(
        pl.when(hit).then(pl.col(name) * 100).otherwise(name).alias(name) for name in _PRICES
    )


def _drop(bars: pl.DataFrame, hit: pl.Expr) -> pl.DataFrame:
    return bars.filter(~hit)


def _add_stranger(bars: pl.DataFrame, hit: pl.Expr) -> pl.DataFrame:
    stranger = bars.filter(hit).head(1).with_columns(symbol=pl.lit(UNKNOWN_SYMBOL))
    return pl.concat([bars, stranger]).sort("session", "symbol", "known_at")


_PLANTERS: dict[FaultKind, Callable[[pl.DataFrame, pl.Expr], pl.DataFrame]] = {
    FaultKind.HIGH_BELOW_LOW: _swap_high,
    FaultKind.UNIT_X100: _scale_unit,
    FaultKind.MISSING_BAR: _drop,
    FaultKind.EMPTY_SESSION: _drop,
    FaultKind.UNKNOWN_SYMBOL: _add_stranger,
}
