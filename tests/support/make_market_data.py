"""Builders of instruments, raw bars and events with defaults that fit the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from tests.support.make_bars import known_after
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import UnknownSymbol
from tradegraph_dagster.domain.core.frames import INSTANT, conform_frame, only_symbols
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace

SYMBOLS = ("000001.SZ", "600000.SH")
LONG_AGO = date(2020, 1, 1)


@dataclass(frozen=True)
class StrictPlainMarket(PlainMarket):
    """Knows no symbol that starts with 9."""

    def board(self, symbol: str) -> str:
        if symbol.startswith("9"):
            raise UnknownSymbol("no board has prefix 9", symbol=symbol)
        return "main"


@dataclass
class RecordingSource:
    """Serves frames as they are, right or wrong, and remembers what it was asked for."""

    instrument_rows: pl.DataFrame = field(default_factory=INSTRUMENTS.empty)
    bar_rows: pl.DataFrame = field(default_factory=RAW_BARS.empty)
    event_rows: pl.DataFrame = field(default_factory=CORPORATE_ACTIONS.empty)
    asked: list[date] = field(default_factory=list)
    name: str = "recorded"

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        return self._answer(self.instrument_rows, sessions)

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        return only_symbols(self._answer(self.bar_rows, sessions), symbols)

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        return self._answer(self.event_rows, sessions)

    def _answer(self, rows: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
        self.asked.extend(sessions)
        return rows.filter(pl.col("session").is_in(list(sessions)))


def make_workspace(first_session: date) -> Workspace:
    return Workspace(StrictPlainMarket(), MemoryFrameStore(), first_session)


def make_raw_bars(
    sessions: Sequence[date],
    symbols: Sequence[str] = SYMBOLS,
    *,
    seed: int = 0,
    known_after_hours: int = 0,
) -> pl.DataFrame:
    """A random walk in RAW_BARS shape, in whole cents, without suspensions."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = (20 * np.exp(np.cumsum(rng.normal(0, 0.02, len(sessions))))).round(2)
        open_ = (close * np.exp(rng.normal(0, 0.005, len(sessions)))).round(2)
        volume = rng.integers(1_000, 50_000, len(sessions)) * 100.0
        frames.append(
            pl.DataFrame(
                {
                    "session": list(sessions),
                    "symbol": symbol,
                    "open": open_,
                    "high": np.maximum(open_, close) + 0.05,
                    "low": np.minimum(open_, close) - 0.05,
                    "close": close,
                    "volume": volume,
                    "amount": volume * (open_ + close) / 2,
                    "is_suspended": False,
                    "source": "made",
                    "known_at": [
                        known_after(day) + timedelta(hours=known_after_hours) for day in sessions
                    ],
                }
            )
        )
    return conform_frame(pl.concat(frames), RAW_BARS)


def make_instruments_of(
    bars: pl.DataFrame, *, listed_on: date = LONG_AGO, is_st: bool = False
) -> pl.DataFrame:
    """INSTRUMENTS rows of the symbols and sessions of a bar frame."""
    return conform_frame(
        bars.select(
            "session",
            "symbol",
            name=pl.col("symbol"),
            board=pl.lit("main"),
            listed_on=pl.lit(listed_on),
            is_st=pl.lit(is_st),
            industry=pl.lit(None, pl.String),
        ).unique(),
        INSTRUMENTS,
    )


def suspend(bars: pl.DataFrame, session: date, symbol: str) -> pl.DataFrame:
    """The bars with one of them suspended."""
    hit = (pl.col("session") == session) & (pl.col("symbol") == symbol)
    prices = ("open", "high", "low", "close")
    return bars.with_columns(
        *(pl.when(~hit).then(name).alias(name) for name in prices),
        *(pl.when(hit).then(0.0).otherwise(n).alias(n) for n in ("volume", "amount")),
        is_suspended=pl.col("is_suspended") | hit,
    )


@dataclass(frozen=True)
class Event:
    """One row of CORPORATE_ACTIONS with defaults that change nothing."""

    session: date
    symbol: str = SYMBOLS[0]
    cash_per_share: float = 0.0
    bonus_ratio: float = 0.0
    rights_ratio: float = 0.0
    rights_price: float = 0.0
    split_ratio: float = 1.0
    source: str = "made"
    known_at: datetime | None = None


def make_events(*events: Event) -> pl.DataFrame:
    """CORPORATE_ACTIONS rows, known the evening before unless said otherwise."""
    rows = [
        {**vars(one), "known_at": one.known_at or known_after(one.session - timedelta(days=1))}
        for one in events
    ]
    schema = {**CORPORATE_ACTIONS.dtypes, "known_at": INSTANT}
    return conform_frame(pl.DataFrame(rows, schema=schema), CORPORATE_ACTIONS)
