"""The whole history of the synthetic exchange as frames, made once for each set of options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from tradegraph_dagster.adapters.synthetic.options import SyntheticOptions
from tradegraph_dagster.adapters.synthetic.prices import (
    Draws,
    Prices,
    draw_numbers,
    limit_percents,
    simulate_prices,
)
from tradegraph_dagster.adapters.synthetic.roster import Roster, draw_roster, industry_of
from tradegraph_dagster.adapters.synthetic.signal import signal_correlation
from tradegraph_dagster.domain.core.errors import ConfigError, SourceRefused
from tradegraph_dagster.domain.core.frames import INSTANT, conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.schema import Market

NAME = "synthetic"
SHOWN_AFTER_CLOSE = timedelta(minutes=30)
SHOWN_BEFORE_OPEN = timedelta(hours=12)


@dataclass(frozen=True)
class Plan:
    """What a history follows from; the market is its rules and no part of its identity."""

    market_name: str
    options: SyntheticOptions
    sessions: tuple[date, ...]
    market: Market = field(compare=False)


@dataclass(frozen=True)
class History:
    """Frames of every session, without faults.

    Attributes:
        instruments: INSTRUMENTS rows.
        bars: RAW_BARS rows.
        actions: CORPORATE_ACTIONS rows.
        signal: Columns session, symbol, signal: the planted number of each listed name.
    """

    instruments: pl.DataFrame
    bars: pl.DataFrame
    actions: pl.DataFrame
    signal: pl.DataFrame


def make_history(market: Market, options: SyntheticOptions) -> History:
    """The history of these options on a market's calendar; made once, then remembered.

    Raises:
        ConfigError: The calendar has no session between first and last.
        UnknownSymbol: The market does not know Chinese codes.
    """
    sessions = market.calendar.between(options.first, options.last)
    if not sessions:
        raise ConfigError(
            f"calendar {market.calendar.name} has no session from {options.first} to {options.last}"
        )
    plain = options.model_copy(update={"faults": ()})
    return _make(Plan(market.name, plain, sessions, market))


def require_covered(
    market: Market, options: SyntheticOptions, sessions: Sequence[date]
) -> list[date]:
    """The sessions asked for, if the history has them all.

    Raises:
        SourceRefused: Names the first that it has not.
    """
    covered = frozenset(market.calendar.between(options.first, options.last))
    for session in sessions:
        if session not in covered:
            raise SourceRefused(
                f"source {NAME} has sessions of {market.calendar.name} from {options.first} "
                f"to {options.last} only",
                session=session,
            )
    return list(sessions)


@lru_cache(maxsize=4)
def _make(plan: Plan) -> History:
    options, sessions = plan.options, plan.sessions
    # One stream for each purpose: drawing more for one leaves the numbers of the others alone.
    roster_rng, price_rng, volume_rng = (
        np.random.default_rng([options.seed, stream]) for stream in range(3)
    )
    roster = draw_roster(options.names, sessions, plan.market.calendar, roster_rng)
    draws = draw_numbers(roster.is_st.shape, signal_correlation(options), price_rng)
    percents = limit_percents(plan.market, sessions, roster)
    prices = simulate_prices(draws, roster, percents)
    listed = _listed_rows(plan, roster)
    return History(
        instruments=_to_instruments(listed, roster, plan.market),
        bars=_to_bars(listed, roster, prices, volume_rng),
        actions=_to_actions(listed, roster, prices),
        signal=_to_signal(listed, roster, draws),
    )


def _listed_rows(plan: Plan, roster: Roster) -> pl.DataFrame:
    """One row for each listed name and session, sorted, with both instants."""
    row, column = np.nonzero(roster.is_listed)
    calendar = plan.market.calendar
    closes = [calendar.close_at(day) + SHOWN_AFTER_CLOSE for day in plan.sessions]
    opens = [calendar.open_at(day) - SHOWN_BEFORE_OPEN for day in plan.sessions]
    return pl.DataFrame(
        {
            "session": pl.Series(plan.sessions, dtype=pl.Date).gather(row),
            "symbol": pl.Series(roster.symbols).gather(column),
            "after_close": pl.Series(closes, dtype=INSTANT).gather(row),
            "before_open": pl.Series(opens, dtype=INSTANT).gather(row),
            "source": pl.repeat(NAME, len(row), eager=True),
        }
    )


def _to_instruments(listed: pl.DataFrame, roster: Roster, market: Market) -> pl.DataFrame:
    _, column = np.nonzero(roster.is_listed)
    boards = pl.Series([market.board(symbol) for symbol in roster.symbols])
    industries = pl.Series([industry_of(symbol) for symbol in roster.symbols])
    code = pl.col("symbol").str.head(6)
    return conform_frame(
        listed.with_columns(
            board=boards.gather(column),
            industry=industries.gather(column),
            listed_on=pl.Series(roster.listed_on, dtype=pl.Date).gather(column),
            is_st=pl.Series(roster.is_st[roster.is_listed]),
        ).with_columns(
            name=pl.when("is_st")
            .then(pl.format("ST {}", code))
            .otherwise(pl.format("Synthetic {}", code))
        ),
        INSTRUMENTS,
    )


def _to_bars(
    listed: pl.DataFrame, roster: Roster, prices: Prices, rng: np.random.Generator
) -> pl.DataFrame:
    at = roster.is_listed
    usual = rng.normal(np.log(20_000.0), 0.8, at.shape[1])
    lots = np.exp(usual + rng.normal(0.0, 0.45, at.shape)).astype(np.int64) + 1
    weight = rng.uniform(0.25, 0.75, at.shape)
    low, high = prices.low / 100.0, prices.high / 100.0
    volume = lots * 100.0
    amount = (volume * (low + weight * (high - low))).round(2)
    cents = {name: getattr(prices, name)[at] for name in ("open", "high", "low", "close")}
    trades = ~pl.col("is_suspended")
    return conform_frame(
        listed.with_columns(
            *(pl.Series(name, values / 100.0) for name, values in cents.items()),
            volume=pl.Series(volume[at]),
            amount=pl.Series(amount[at]),
            is_suspended=pl.Series(roster.is_suspended[at]),
            known_at=pl.col("after_close"),
        ).with_columns(
            *(pl.when(trades).then(name).alias(name) for name in cents),
            *(
                pl.when(trades).then(name).otherwise(0.0).alias(name)
                for name in ("volume", "amount")
            ),
        ),
        RAW_BARS,
    )


def _to_actions(listed: pl.DataFrame, roster: Roster, prices: Prices) -> pl.DataFrame:
    at = roster.is_listed
    rows = listed.with_columns(
        cash_per_share=pl.Series(prices.cash[at]),
        bonus_ratio=pl.Series(prices.bonus[at]),
        rights_ratio=pl.Series(prices.rights[at]),
        rights_price=pl.Series(prices.rights_price[at]),
        split_ratio=pl.lit(1.0),
        known_at=pl.col("before_open"),
    )
    changes = pl.any_horizontal(pl.col("cash_per_share", "bonus_ratio", "rights_ratio") > 0)
    return conform_frame(rows.filter(changes), CORPORATE_ACTIONS)


def _to_signal(listed: pl.DataFrame, roster: Roster, draws: Draws) -> pl.DataFrame:
    return listed.select("session", "symbol", signal=pl.Series(draws.signal[roster.is_listed]))
