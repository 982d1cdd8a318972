"""A generated market to audit feature sets on, with the troubles that real ones have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import SESSION_SYMBOL, conform_frame
from tradegraph_dagster.domain.core.sessions import weekday_sessions
from tradegraph_dagster.domain.features.schema import BAR_FIELDS, BarGrid
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

VOLUME = BAR_FIELDS.index("volume")
PRICES = [at for at, name in enumerate(BAR_FIELDS) if name != "volume"]
FIRST_SESSION = date(2015, 1, 5)
# Long before the first row.
OLD_LISTING = -2_000
INDUSTRIES = ("banks", "steel", None)
# Sessions that an instrument stays in one.
INDUSTRY_SESSIONS = 37


@dataclass(frozen=True)
class AuditMarket:
    """Bars of some instruments on consecutive sessions.

    Attributes:
        history: The calendar: from where history begins to the last session of the bars.
        symbols: Ascending.
        industries: Text, shape (sessions, instruments): as known on the session; None where it is
            not known.
        listed_at: int64, shape (instruments,): row of the listing, negative if before the rows.
        values: float64, shape (fields, sessions, instruments), in the order of BAR_FIELDS; NaN
            where an instrument is suspended or has no row.
        has_row: bool, shape (sessions, instruments): whether the table has a row.
        raw_factor: float64, shape (sessions,): adjusted price over raw price.
    """

    history: tuple[date, ...]
    symbols: tuple[str, ...]
    industries: np.ndarray
    listed_at: np.ndarray
    values: np.ndarray
    has_row: np.ndarray
    raw_factor: np.ndarray

    @property
    def rows(self) -> int:
        """Sessions with bars."""
        return len(self.has_row)

    @property
    def sessions(self) -> tuple[date, ...]:
        """The sessions with bars."""
        return self.history[len(self.history) - self.rows :]

    def window(self, first: int, last: int) -> AuditMarket:
        """Rows `first` to `last`, both included; the calendar ends with them."""
        kept = slice(first, last + 1)
        return replace(
            self,
            history=self.history[: len(self.history) - self.rows + last + 1],
            industries=self.industries[kept],
            listed_at=self.listed_at - first,
            values=self.values[:, kept],
            has_row=self.has_row[kept],
            raw_factor=self.raw_factor[kept],
        )

    def only(self, columns: np.ndarray) -> AuditMarket:
        """Some of the instruments."""
        symbols = tuple(self.symbols[at] for at in columns)
        return replace(self.reordered(columns), symbols=symbols)

    def reordered(self, columns: np.ndarray) -> AuditMarket:
        """The instruments in another order, each under the symbol of the place it gets."""
        return replace(
            self,
            industries=self.industries[:, columns],
            listed_at=self.listed_at[columns],
            values=self.values[:, :, columns],
            has_row=self.has_row[:, columns],
        )

    def scaled(self, *, prices: float = 1.0, volume: float = 1.0) -> AuditMarket:
        """All prices, and all volumes, times a factor."""
        factors = np.full((len(BAR_FIELDS), 1, 1), prices)
        factors[VOLUME] = volume
        return replace(self, values=self.values * factors)

    def listed(self) -> np.ndarray:
        """Columns of the instruments that are listed by the last row."""
        return np.flatnonzero(self.listed_at < self.rows)

    def grid(self) -> BarGrid:
        """The listed instruments as a feature set is given them."""
        columns = self.listed()
        values = self.values[:, :, columns]
        is_traded = self.has_row[:, columns] & (values[VOLUME] > 0)
        return BarGrid(
            np.array(self.sessions, dtype="datetime64[D]"),
            np.maximum(self.listed_at[columns], 0),
            {
                name: np.ascontiguousarray(np.where(is_traded, values[at], np.nan))
                for at, name in enumerate(BAR_FIELDS)
            },
        )

    def bars(self) -> pl.DataFrame:
        """The same as VALIDATED_BARS rows, with their industry."""
        row, column = np.nonzero(self.has_row)
        cells = dict(zip(BAR_FIELDS, self.values[:, row, column], strict=True))
        factor = self.raw_factor[row]
        known = pl.Series(self.industries[row, column].tolist(), dtype=pl.String)
        frame = pl.DataFrame(
            {
                "session": np.array(self.sessions, dtype="datetime64[D]")[row],
                "symbol": np.array(self.symbols)[column],
                **cells,
                **{f"raw_{name}": cells[name] / factor for name in BAR_FIELDS[:4]},
                "price_factor": factor,
                "share_factor": factor,
                "sessions_listed": row - self.listed_at[column] + 1,
                "industry": known,
            }
        ).with_columns(pl.col(pl.Float64).fill_nan(None))
        rows = frame.sort(SESSION_SYMBOL)
        bars = conform_frame(
            rows.with_columns(
                amount=(pl.col("vwap") * pl.col("volume")).fill_null(0.0),
                # A bar of one price closed at its upper limit.
                reference_close=pl.col("raw_close")
                / pl.when(pl.col("high") == pl.col("low")).then(1.1).otherwise(1.0),
                last_raw_close=pl.col("raw_close"),
                is_suspended=pl.col("close").is_null(),
                is_carried=pl.lit(False),
                is_st=pl.lit(False),
            ),
            VALIDATED_BARS,
        )
        return bars.with_columns(rows.get_column("industry"))


def generate_market(seed: int, sessions: int) -> AuditMarket:
    """Twelve instruments, each with another trouble; the same seed gives the same market.

    One is clean. The others have prices of one decimal (ties), a flat stretch, suspensions, a
    listing within the rows whose first bars are missing, a listing shortly before the end, sessions
    without volume, missing rows, an end before the last row, bars of one price, no trade at all,
    and prices a thousand times as high.
    """
    rng = np.random.default_rng(seed)
    history = weekdays_from(FIRST_SESSION, sessions)
    market = clean_market(rng, history, 12)
    values, has_row, listed_at = market.values, market.has_row, market.listed_at
    values[PRICES, :, 1] = np.round(values[PRICES, :, 1], 1)
    for begin in rng.integers(0, sessions, 2):
        values[PRICES, begin : begin + 15, 2] = values[3, begin, 2]
    values[:, rng.random(sessions) < 0.15, 3] = np.nan
    begin = int(rng.integers(0, sessions))
    values[:, begin : begin + 25, 3] = np.nan
    listed_at[4], listed_at[5] = sessions // 3, sessions - 25
    has_row[: listed_at[4] + 2, 4] = has_row[: listed_at[5], 5] = False
    values[VOLUME, rng.random(sessions) < 0.1, 6] = 0.0
    has_row[rng.random(sessions) < 0.1, 7] = False
    has_row[sessions - sessions // 4 :, 8] = False
    limited = rng.random(sessions) < 0.15
    values[PRICES, :, 9] = np.where(limited, values[3, :, 9], values[PRICES, :, 9])
    values[:, :, 10] = np.nan
    values[PRICES, :, 11] *= 1_000
    values[:, ~has_row] = np.nan
    return market


def clean_market(
    rng: np.random.Generator, history: Sequence[date], instruments: int
) -> AuditMarket:
    """Instruments that were listed long ago and trade every session.

    Each changes its industry now and then, none on the same session as another.
    """
    shape = (len(history), instruments)
    close = np.round(10 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0)), 2)
    open_ = np.round(close * (1 + rng.normal(0, 0.01, shape)), 2)
    high = np.round(np.maximum(open_, close) * (1 + rng.uniform(0, 0.02, shape)), 2)
    low = np.round(np.minimum(open_, close) * (1 - rng.uniform(0, 0.02, shape)), 2)
    volume = rng.integers(100, 100_000, shape) * 100.0
    vwap = (open_ + high + low + close) / 4
    row, column = np.indices(shape)
    # A step of 7 is prime to the stay: up to so many instruments each move on a row of their own.
    turn = (column + (row + 7 * column) // INDUSTRY_SESSIONS) % len(INDUSTRIES)
    return AuditMarket(
        history=tuple(history),
        symbols=tuple(f"{600_000 + at}.SH" for at in range(instruments)),
        industries=np.array(INDUSTRIES, dtype=object)[turn],
        listed_at=np.full(instruments, OLD_LISTING),
        values=np.stack([open_, high, low, close, volume, vwap]),
        has_row=np.ones(shape, dtype=bool),
        raw_factor=np.ones(len(history)),
    )


def weekdays_from(first: date, count: int) -> tuple[date, ...]:
    """The first `count` weekdays from `first`."""
    return weekday_sessions(first, first + timedelta(days=2 * count + 7), frozenset())[:count]
