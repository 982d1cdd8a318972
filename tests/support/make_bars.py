"""Builders of bar frames with defaults that fit the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.sessions import weekday_sessions
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS


def weekdays(count: int, first: date = date(2024, 1, 1)) -> tuple[date, ...]:
    """The first `count` weekdays from `first`."""
    return weekday_sessions(first, first + timedelta(days=2 * count + 7), frozenset())[:count]


def known_after(session: date) -> datetime:
    """Half past nine in the evening UTC of the session."""
    return datetime(session.year, session.month, session.day, 21, 30, tzinfo=UTC)


def make_adjusted_bars(
    sessions: Sequence[date],
    symbols: Sequence[str] = ("600000.SH", "000001.SZ"),
    *,
    seed: int = 0,
    start_price: float = 10.0,
) -> pl.DataFrame:
    """A random walk in ADJUSTED_BARS shape: no events, no suspensions, factors 1."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = start_price * np.exp(np.cumsum(rng.normal(0, 0.015, len(sessions))))
        open_ = close * np.exp(rng.normal(0, 0.005, len(sessions)))
        high = np.maximum(open_, close) * (1 + rng.uniform(0, 0.01, len(sessions)))
        low = np.minimum(open_, close) * (1 - rng.uniform(0, 0.01, len(sessions)))
        volume = rng.integers(1_000, 50_000, len(sessions)) * 100.0
        vwap = (high + low + close + open_) / 4
        frames.append(
            pl.DataFrame(
                {
                    "session": list(sessions),
                    "symbol": [symbol] * len(sessions),
                    **{
                        name: values
                        for name, values in (
                            ("open", open_),
                            ("high", high),
                            ("low", low),
                            ("close", close),
                            ("vwap", vwap),
                            ("volume", volume),
                            ("amount", vwap * volume),
                            ("raw_open", open_),
                            ("raw_high", high),
                            ("raw_low", low),
                            ("raw_close", close),
                        )
                    },
                    "reference_close": [None, *close[:-1]],
                    "last_raw_close": close,
                    "price_factor": 1.0,
                    "share_factor": 1.0,
                    "is_suspended": False,
                    "is_carried": False,
                    "is_st": False,
                    "sessions_listed": np.arange(1, len(sessions) + 1),
                }
            )
        )
    return conform_frame(pl.concat(frames), ADJUSTED_BARS)
