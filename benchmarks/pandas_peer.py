"""The same adjustment and three gates as plain pandas group-bys, on the same bars, some spoilt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.drawn_market import PRICES, DrawnMarket
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.quality.gates import frozen_prices, stale_bar, turnover_level
from tradegraph_dagster.domain.quality.schema import GateInput
from tradegraph_dagster.domain.quality.verdict import bars_to_findings

KEY = ["session", "symbol"]

# Adjusted prices by symbol and session, and the (session, symbol, gate) found.
Answer = tuple[np.ndarray, set[tuple[date, str, str]]]


@dataclass(frozen=True)
class Race:
    """Seconds that each took for the same answers."""

    pandas_seconds: float
    own_seconds: float

    def line(self) -> str:
        """As `key=value`, with how many times quicker than pandas."""
        ratio = self.pandas_seconds / self.own_seconds
        return (
            f"peer_pandas_seconds={self.pandas_seconds:.2f} "
            f"peer_own_seconds={self.own_seconds:.2f} peer_ratio={ratio:.2f}"
        )


def race(market: Market, sessions: Sequence[date], names: int) -> Race:
    """Run both on a drawn market; SystemExit if their answers differ."""
    source = DrawnMarket(market.calendar, sessions, names)
    bars = _spoil(source.bars(sessions))
    # Two events in one suspension build on each other, which no group-by follows.
    events = source.corporate_actions(sessions).join(
        bars.filter("is_suspended"), on=KEY, how="anti", maintain_order="left"
    )
    listed = source.instruments(sessions)
    tables = (bars.to_pandas(), events.to_pandas(), listed.to_pandas())
    started = time.perf_counter()
    prices, rows = _by_pandas(*tables, np.array(market.calendar.sessions, dtype="datetime64[ms]"))
    between = time.perf_counter()
    adjusted = bars_to_adjusted_bars(
        bars, events, listed, ADJUSTED_BARS.empty(), market=market, sessions=sessions
    )
    gates = (frozen_prices.GATE, stale_bar.GATE, turnover_level.GATE)
    found = bars_to_findings(GateInput(adjusted, listed, events, tuple(sessions), market), gates)
    own_rows = set(found.select(*KEY, "gate").iter_rows())
    ended = time.perf_counter()
    own_prices = adjusted.sort("symbol", "session").select(PRICES).to_numpy()
    if not np.array_equal(prices, own_prices, equal_nan=True) or rows != own_rows or not rows:
        raise SystemExit(f"pandas and the pipeline differ, first in {sorted(rows ^ own_rows)[:3]}")
    return Race(between - started, ended - between)


def _spoil(bars: pl.DataFrame) -> pl.DataFrame:
    """Each 20th name stands still for a week; each 30th turns over 40 times as much once."""
    name, row = pl.col("symbol").rank("dense"), pl.int_range(pl.len()).over("symbol")
    is_stuck = (name % 20 == 0) & row.is_between(30, 37) & ~pl.col("is_suspended")
    stuck = (pl.col(one).slice(30, 1).first().over("symbol") for one in (*PRICES, "volume"))
    is_loud = (name % 30 == 0) & (row == 40)
    return bars.with_columns(
        *(pl.when(is_stuck).then(one).otherwise(one.meta.output_name()) for one in stuck),
        amount=pl.when(is_loud).then(pl.col("amount") * 40).otherwise("amount"),
    )


def _by_pandas(
    bars: pd.DataFrame, events: pd.DataFrame, listed: pd.DataFrame, calendar: np.ndarray
) -> Answer:
    table = bars.merge(events, on=KEY, how="left", suffixes=("", "_event"))
    table = table.merge(listed[[*KEY, "listed_on"]], on=KEY, how="left")
    table = table.sort_values(["symbol", "session"], ignore_index=True)
    names, traded = table["symbol"], ~table["is_suspended"]
    before = table["close"].where(traded).groupby(names).ffill().groupby(names).shift()
    worth = before - table["cash_per_share"] + table["rights_price"] * table["rights_ratio"]
    shares = 1 + table["bonus_ratio"] + table["rights_ratio"]
    step = before / (worth / shares / table["split_ratio"])
    factor = step.fillna(1.0).groupby(names).cumprod()
    above = table.groupby("symbol")[[*PRICES, "volume"]].shift()
    same_prices = (table[list(PRICES)] == above[list(PRICES)]).all(axis=1)
    same_bar = same_prices & (table["volume"] == above["volume"])

    def held(flag: pd.Series, links: int) -> np.ndarray:
        sums = flag.astype(float).groupby(names).rolling(links).sum()
        return np.asarray(sums == links)

    amount = table["amount"].where(traded & (table["amount"] > 0))
    earlier = amount.groupby(names).shift().groupby(names)
    times = (amount / earlier.rolling(20, min_periods=5).median().to_numpy()).round(4)
    age = np.searchsorted(calendar, table["session"]) - np.searchsorted(
        calendar, table["listed_on"]
    )
    flags = {
        "frozen_prices": traded & (held(same_prices, 4) | held(same_bar, 2)),
        "stale_bar": traded & (table["volume"] > 0) & same_bar,
        "turnover_level": times.notna() & ~times.between(1 / 20, 20) & (age + 1 > 30),
    }
    rows = {
        (session.date(), symbol, gate)
        for gate, flag in flags.items()
        for session, symbol in table.loc[flag, KEY].itertuples(index=False)
    }
    return table[list(PRICES)].mul(factor, axis=0).to_numpy(), rows
