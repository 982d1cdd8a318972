"""Prices of the synthetic exchange, in whole cents and inside the market's daily limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from tradegraph_dagster.adapters.synthetic.roster import Roster
from tradegraph_dagster.adapters.synthetic.signal import (
    DAILY_VOLATILITY,
    SHAPE_PER_SIGNAL,
    SIGNAL_DELAY_SESSIONS,
)
from tradegraph_dagster.domain.corporate_actions.factors import reference_price
from tradegraph_dagster.domain.markets.schema import Listing, Market

# The market's own return: what it adds to every name, and how it is pulled back to its start.
MARKET_VOLATILITY = 0.009
MARKET_PULL = 0.01
# Keeps the typical price level: the mean log return is half the variance below the mean return.
DRIFT = DAILY_VOLATILITY**2 / 2
# Where the market sets no limit, this exchange still moves no further.
WIDEST_PERCENT = 30

ONE_PRICE_FRAC = 0.0003
DIVIDEND_FRAC = 0.7 / 242
BONUS_FRAC = 0.08 / 242
BONUS_RATIOS = (0.2, 0.3, 0.4, 0.5, 1.0)
RIGHTS_NAMES_FRAC = 0.01
RIGHTS_RATIOS = (0.2, 0.3)
RIGHTS_DISCOUNT = 0.7


@dataclass(frozen=True)
class Draws:
    """Every random number that prices need, all of shape (S, N) unless said otherwise.

    Attributes:
        signal: x of each session.
        returns: Simple return that each name wants to make.
        one_price: +1 and -1 on days spent at the upper and lower limit, else 0.
        start: Price before the first session, yuan, shape (N,).
        wicks: How far high and low reach beyond open and close, fraction, shape (2, S, N).
        dividend_yield: Cash over price, 0 without a dividend.
        bonus: New shares for an old one, 0 without.
        rights: Rights for an old share, 0 without.
    """

    signal: np.ndarray
    returns: np.ndarray
    one_price: np.ndarray
    start: np.ndarray
    wicks: np.ndarray
    dividend_yield: np.ndarray
    bonus: np.ndarray
    rights: np.ndarray


@dataclass(frozen=True)
class Prices:
    """Results of shape (S, N): prices in cents, event terms in yuan and shares a share."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    cash: np.ndarray
    bonus: np.ndarray
    rights: np.ndarray
    rights_price: np.ndarray


def draw_numbers(shape: tuple[int, int], correlation: float, rng: np.random.Generator) -> Draws:
    """Draw a history's numbers. Another correlation changes returns and nothing else.

    Args:
        shape: Sessions and names.
        correlation: Of the signal with the return two sessions later.
        rng: Source of chance.
    """
    count, names = shape
    signal = rng.standard_normal((count + SIGNAL_DELAY_SESSIONS, names))
    noise = rng.standard_normal(shape)
    own = correlation * signal[:count] + np.sqrt(1.0 - correlation**2) * noise
    common = _market_returns(rng.standard_normal(count))
    rights = np.zeros(shape)
    entitled = rng.choice(names, size=max(1, round(RIGHTS_NAMES_FRAC * names)), replace=False)
    offered = rng.integers(count, size=len(entitled))
    rights[offered, entitled] = rng.choice(RIGHTS_RATIOS, len(entitled))
    return Draws(
        signal=signal[SIGNAL_DELAY_SESSIONS:],
        returns=common[:, None] + DRIFT + DAILY_VOLATILITY * own,
        one_price=np.where(rng.random(shape) < ONE_PRICE_FRAC, rng.choice([-1, 1], shape), 0),
        start=np.exp(rng.normal(np.log(22.0), 0.5, names)).clip(8.0, 80.0).round(2),
        wicks=np.abs(rng.normal(0.0, 0.004, (2, *shape))),
        dividend_yield=np.where(
            rng.random(shape) < DIVIDEND_FRAC, rng.uniform(0.005, 0.025, shape), 0.0
        ),
        bonus=np.where(rng.random(shape) < BONUS_FRAC, rng.choice(BONUS_RATIOS, shape), 0.0),
        rights=rights,
    )


def limit_percents(market: Market, sessions: Sequence[date], roster: Roster) -> np.ndarray:
    """Daily limit of each name and session in whole percent, as the market's rules give it.

    Shape (S, N); asked once for each board, flag and session on a reference price of 100.
    """
    percents = np.full(roster.is_st.shape, WIDEST_PERCENT)
    boards = np.array([market.board(symbol) for symbol in roster.symbols])
    is_listed = roster.is_listed
    for board in np.unique(boards):
        on_board = boards == board
        oldest = int(np.argmin(np.where(on_board, roster.first_row, len(sessions))))
        for row in range(roster.first_row[oldest], len(sessions)):
            for is_st in np.unique(roster.is_st[row, on_board & is_listed[row]]):
                listing = Listing(
                    roster.symbols[oldest], roster.listed_on[oldest], is_st=bool(is_st)
                )
                band = market.price_band(
                    listing, Decimal(100), sessions[row], sessions_listed=1_000
                )
                if band is not None:
                    percents[row, on_board & (roster.is_st[row] == is_st)] = int(band.upper) - 100
    return percents


def simulate_prices(draws: Draws, roster: Roster, percents: np.ndarray) -> Prices:
    """Walk through the sessions: events, limits, closes; then opens, highs and lows.

    A name's wish to move is cut at its limits. While suspended it keeps its price, on which events
    still act.

    Args:
        draws: Numbers of shape (S, N).
        roster: Who is listed and suspended.
        percents: Daily limits, whole percent.
    """
    shape = draws.returns.shape
    is_listed = roster.is_listed
    close, upper, lower = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    cash, rights_price = np.zeros(shape), np.zeros(shape)
    rows = np.arange(shape[0])[:, None]
    has_past = is_listed & (rows > roster.first_row)
    bonus = np.where(has_past, draws.bonus, 0.0)
    rights = np.where(has_past, draws.rights, 0.0)
    pays = has_past & (draws.dividend_yield > 0)
    last = draws.start.copy()
    for row in range(shape[0]):
        cash[row] = np.where(pays[row], (last * draws.dividend_yield[row]).round(2) + 0.01, 0.0)
        rights_price[row] = np.where(rights[row] > 0, (last * RIGHTS_DISCOUNT).round(2), 0.0)
        last = reference_price(
            last,
            cash_per_share=cash[row],
            bonus_ratio=bonus[row],
            rights_ratio=rights[row],
            rights_price=rights_price[row],
            split_ratio=np.ones(shape[1]),
        )
        upper[row], lower[row] = _limits(_to_cents(last), percents[row])
        wished = _to_cents(last * (1.0 + draws.returns[row])).clip(lower[row], upper[row])
        stuck = np.where(draws.one_price[row] > 0, upper[row], lower[row])
        close[row] = np.where(draws.one_price[row] == 0, wished, stuck)
        moves = is_listed[row] & ~roster.is_suspended[row]
        last = np.where(moves, close[row] / 100.0, last)
    shape_of_day = 1.0 + SHAPE_PER_SIGNAL * draws.signal
    opened = _to_cents(close / 100.0 / shape_of_day).clip(lower, upper)
    opened = np.where(draws.one_price == 0, opened, close)
    reach = np.where(draws.one_price == 0, (draws.wicks * close).astype(np.int64), 0)
    return Prices(
        open=opened,
        high=np.minimum(np.maximum(opened, close) + reach[0], upper),
        low=np.maximum(np.minimum(opened, close) - reach[1], lower),
        close=close,
        cash=cash.round(2),
        bonus=bonus,
        rights=rights,
        rights_price=rights_price.round(2),
    )


def _market_returns(shocks: np.ndarray) -> np.ndarray:
    returns = np.empty(len(shocks))
    level = 0.0
    for row, shock in enumerate(shocks):
        returns[row] = MARKET_VOLATILITY * shock - MARKET_PULL * level
        level += returns[row]
    return returns


def _to_cents(price: np.ndarray) -> np.ndarray:
    return np.floor(price * 100.0 + 0.5).astype(np.int64)


def _limits(reference: np.ndarray, percent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower limit in cents, half-up, in integers so that no half-cent is misjudged."""
    upper = (2 * reference * (100 + percent) + 100) // 200
    lower = (2 * reference * (100 - percent) + 100) // 200
    return np.maximum(upper, reference + 1), np.maximum(np.minimum(lower, reference - 1), 1)
