"""A made-up A-share market of any size, drawn session by session, so that it never fills memory.

Every number of session t follows from the seed, t and the close before, so asking again gives the
same rows. Prices stay inside their limits and are drawn back to a level of their own: the bars are
clean, and dividends, bonus shares, suspensions, special treatment and new listings are in them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS

PREFIXES = {"600": "SH", "601": "SH", "603": "SH", "000": "SZ", "001": "SZ", "002": "SZ"}
PRICES = ("open", "high", "low", "close")
TURNOVER = ("volume", "amount")
NEW_LISTING_SHARE = 0.04
ST_SHARE = 0.03
ST_SESSIONS = 240
SUSPENSIONS_A_NAME = 2
SUSPENDED_SESSIONS = 5
SESSIONS_BETWEEN_EVENTS = 240
# Inside 5 % and 10 %, also after rounding to a cent.
WIDEST_MOVE = 0.095
WIDEST_ST_MOVE = 0.045
DAILY_MOVE = 0.02
PULL = 0.02


@dataclass
class DrawnMarket:
    """A BarSource and an ActionSource.

    Attributes:
        calendar: Whose sessions are drawn.
        sessions: Those that can be asked for, ascending.
        names: How many instruments there are.
        seed: Another seed is another market.
        drawing_seconds: Time spent drawing so far: not the pipeline's.
        drawing_cpu_seconds: As above, of the processor.
    """

    calendar: SessionCalendar
    sessions: Sequence[date]
    names: int
    seed: int = 7
    name: str = "drawn"
    drawing_seconds: float = field(default=0.0, init=False)
    drawing_cpu_seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        count = len(self.sessions)
        codes = [
            f"{prefix}{number:03d}.{exchange}"
            for prefix, exchange in PREFIXES.items()
            for number in range(1000)
        ]
        self._symbols = pl.Series("symbol", sorted(codes)[: self.names])
        self._row = {day: row for row, day in enumerate(self.sessions)}
        is_new = rng.random(self.names) < NEW_LISTING_SHARE
        self._listed_row = np.where(is_new, rng.integers(0, count, self.names), -1)
        before = self.calendar.between(date.min, self.sessions[0])[:-1]
        old = rng.integers(len(before) // 2, len(before), self.names)
        self._listed_on = pl.Series(
            "listed_on",
            [
                before[at] if row < 0 else self.sessions[row]
                for at, row in zip(old, self._listed_row, strict=True)
            ],
        )
        self._st_from = np.where(
            rng.random(self.names) < ST_SHARE, rng.integers(0, count, self.names), count
        )
        self._suspended_from = rng.integers(0, count, (SUSPENSIONS_A_NAME, self.names))
        self._level = rng.uniform(6, 120, self.names)
        self._restart()

    def instruments(self, sessions: Sequence[date]) -> pl.DataFrame:
        """INSTRUMENTS rows."""
        with self._drawing():
            return pl.concat([INSTRUMENTS.empty(), *map(self._instruments, sessions)])

    def corporate_actions(self, sessions: Sequence[date]) -> pl.DataFrame:
        """CORPORATE_ACTIONS rows."""
        with self._drawing():
            return pl.concat([CORPORATE_ACTIONS.empty(), *map(self._actions, sessions)])

    def bars(self, sessions: Sequence[date], symbols: Sequence[str] | None = None) -> pl.DataFrame:
        """RAW_BARS rows; asking for an earlier session than before draws from the first again."""
        with self._drawing():
            drawn = [RAW_BARS.empty()]
            for day in sessions:
                if self._row[day] < self._next:
                    self._restart()
                while self._next < self._row[day]:
                    self._bars(self.sessions[self._next])
                drawn.append(self._bars(day))
            rows = pl.concat(drawn)
            return rows if symbols is None else rows.filter(pl.col("symbol").is_in(list(symbols)))

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        started, cpu = time.perf_counter(), time.process_time()
        yield
        self.drawing_seconds += time.perf_counter() - started
        self.drawing_cpu_seconds += time.process_time() - cpu

    def _restart(self) -> None:
        self._next = 0
        self._close = np.round(self._level, 2)

    def _instruments(self, session: date) -> pl.DataFrame:
        row = self._row[session]
        is_st = (self._st_from <= row) & (row < self._st_from + ST_SESSIONS)
        whole = pl.DataFrame(
            {
                "symbol": self._symbols,
                "listed_on": self._listed_on,
                "is_st": is_st,
                "is_listed": self._listed_row <= row,
            }
        )
        return whole.filter("is_listed").select(
            pl.lit(session).alias("session"),
            "symbol",
            name="symbol",
            board=pl.lit("main"),
            listed_on="listed_on",
            is_st="is_st",
            industry=pl.lit(None, pl.String),
        )

    def _events(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns with an event, cash a share and bonus ratio."""
        rng = np.random.default_rng([self.seed, 1, row])
        hit = np.flatnonzero(
            (rng.random(self.names) < 1 / SESSIONS_BETWEEN_EVENTS) & (self._listed_row < row)
        )
        cash = np.round(self._level[hit] * rng.uniform(0.005, 0.03, len(hit)), 2)
        bonus = rng.choice([0.0, 0.0, 0.0, 0.1, 0.3, 0.5], len(hit))
        return hit, cash, bonus

    def _actions(self, session: date) -> pl.DataFrame:
        hit, cash, bonus = self._events(self._row[session])
        known = self.calendar.open_at(session) - timedelta(hours=12)
        return pl.DataFrame(
            {"symbol": self._symbols[hit], "cash_per_share": cash, "bonus_ratio": bonus}
        ).select(
            pl.lit(session).alias("session"),
            "symbol",
            "cash_per_share",
            "bonus_ratio",
            rights_ratio=pl.lit(0.0),
            rights_price=pl.lit(0.0),
            split_ratio=pl.lit(1.0),
            source=pl.lit(self.name),
            known_at=pl.lit(known).cast(CORPORATE_ACTIONS.dtypes["known_at"]),
        )

    def _bars(self, session: date) -> pl.DataFrame:
        row = self._row[session]
        rng = np.random.default_rng([self.seed, 2, row])
        hit, cash, bonus = self._events(row)
        reference = self._close.copy()
        reference[hit] = (reference[hit] - cash) / (1 + bonus)
        is_st = (self._st_from <= row) & (row < self._st_from + ST_SESSIONS)
        widest = np.where(is_st, WIDEST_ST_MOVE, WIDEST_MOVE)
        drift = PULL * np.log(self._level / reference)
        moves = drift + DAILY_MOVE * rng.standard_normal((4, self.names))
        prices = np.round(reference * (1 + np.clip(moves, -widest, widest)), 2)
        volume = np.floor(rng.lognormal(13.0, 0.5, self.names)) + 1
        starts = self._suspended_from
        is_suspended = ((starts <= row) & (row < starts + SUSPENDED_SESSIONS)).any(axis=0)
        self._close = np.where(is_suspended, reference, prices[3])
        self._next = row + 1
        known = self.calendar.close_at(session) + timedelta(hours=2)
        whole = pl.DataFrame(
            {
                "symbol": self._symbols,
                "open": prices[0],
                "high": prices.max(axis=0),
                "low": prices.min(axis=0),
                "close": prices[3],
                "volume": volume,
                "amount": volume * prices.mean(axis=0),
                "is_suspended": is_suspended,
                "is_listed": self._listed_row <= row,
            }
        )
        traded = ~pl.col("is_suspended")
        return whole.filter("is_listed").select(
            pl.lit(session).alias("session"),
            "symbol",
            *(pl.when(traded).then(name).alias(name) for name in PRICES),
            *(pl.when(traded).then(name).otherwise(0.0).alias(name) for name in TURNOVER),
            "is_suspended",
            source=pl.lit(self.name),
            known_at=pl.lit(known).cast(RAW_BARS.dtypes["known_at"]),
        )
