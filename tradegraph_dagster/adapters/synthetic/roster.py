"""Who is listed, flagged and suspended on each session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from tradegraph_dagster.adapters.synthetic.options import EARLIEST_FIRST
from tradegraph_dagster.domain.core.sessions import SessionCalendar

# Codes of 20 names; the pattern repeats. The first ten hold every board.
PREFIXES = (
    *("600", "000", "300", "688", "601", "002", "920", "603", "301", "001"),
    *("600", "002", "300", "688", "601", "003", "605", "300", "688", "601"),
)
_EXCHANGES = {"6": "SH", "0": "SZ", "3": "SZ", "9": "BJ"}
_BOARD_OPENED = {"3": date(2009, 10, 30), "68": EARLIEST_FIRST, "9": date(2021, 11, 15)}

INDUSTRIES = ("banking", "energy", "health", "machinery", "retail")

LISTED_FRAC = 0.08
DELISTED_FRAC = 0.04
FLAGGED_FRAC = 0.04
HALTED_FRAC = 0.04
HALTED_DAY_FRAC = 0.0006
# Below this a history has no room for listings, spells and delistings.
SHORTEST_EVENTFUL = 40


@dataclass(frozen=True)
class Roster:
    """N symbols over S sessions, symbols ascending.

    Attributes:
        symbols: Exchange codes.
        listed_on: First trading date of each.
        first_row: Row of the first session in the history, shape (N,).
        last_row: Row of the last session, included, shape (N,).
        is_st: Under special treatment, shape (S, N).
        is_suspended: No trading, shape (S, N).
    """

    symbols: tuple[str, ...]
    listed_on: tuple[date, ...]
    first_row: np.ndarray
    last_row: np.ndarray
    is_st: np.ndarray
    is_suspended: np.ndarray

    @property
    def is_listed(self) -> np.ndarray:
        """Whether a name is listed, shape (S, N)."""
        rows = np.arange(len(self.is_st))[:, None]
        return (self.first_row <= rows) & (rows <= self.last_row)


def draw_roster(
    names: int, sessions: Sequence[date], calendar: SessionCalendar, rng: np.random.Generator
) -> Roster:
    """Decide listings, delistings, special treatment and suspensions.

    Args:
        names: Instruments over the whole history, N.
        sessions: The history, S sessions.
        calendar: To list on sessions before the history too.
        rng: Source of chance.
    """
    symbols = make_symbols(names)
    listed_on = [_listing_before(symbol, sessions[0], calendar, rng) for symbol in symbols]
    count = len(sessions)
    shape = (count, names)
    last_row = np.full(names, count - 1)
    is_st = np.zeros(shape, dtype=bool)
    is_suspended = rng.random(shape) < HALTED_DAY_FRAC
    if count >= SHORTEST_EVENTFUL:
        eligible = [at for at in range(names) if listed_on[at] < sessions[0]]
        listed, delisted, flagged, halted = _draw_groups(np.array(eligible), names, rng)
        for at in listed:
            listed_on[at] = sessions[int(rng.integers(count // 10, count * 3 // 4))]
        for at in delisted:
            last_row[at] = rng.integers(count // 4, count - 1)
            is_st[max(0, last_row[at] - count // 8) : last_row[at] + 1, at] = True
        _draw_spells(is_st, flagged, count // 8, count // 3, rng)
        _draw_spells(is_suspended, halted, 5, min(20, count // 4), rng)
    first_row = np.searchsorted(
        np.array(sessions, dtype="datetime64[D]"), np.array(listed_on, dtype="datetime64[D]")
    )
    # The first session makes the first price.
    inside = first_row < count
    is_suspended[first_row[inside], np.flatnonzero(inside)] = False
    return Roster(symbols, tuple(listed_on), first_row, last_row, is_st, is_suspended)


def make_symbols(names: int) -> tuple[str, ...]:
    """That many codes over all boards, ascending."""
    taken: dict[str, int] = {}
    symbols = []
    for at in range(names):
        prefix = PREFIXES[at % len(PREFIXES)]
        taken[prefix] = taken.get(prefix, 0) + 1
        symbols.append(f"{prefix}{taken[prefix]:03d}.{_EXCHANGES[prefix[0]]}")
    return tuple(sorted(symbols))


def industry_of(symbol: str) -> str:
    """The industry of a code, for good; each industry has names of all boards."""
    return INDUSTRIES[sum(map(int, symbol[:6])) % len(INDUSTRIES)]


def _listing_before(
    symbol: str, first: date, calendar: SessionCalendar, rng: np.random.Generator
) -> date:
    """A session one to fourteen years before the history, or when the board opened, if later."""
    opened = next((day for start, day in _BOARD_OPENED.items() if symbol.startswith(start)), None)
    listed = first - timedelta(days=int(rng.integers(400, 5_000)))
    listed = max(listed, opened) if opened else listed
    if listed < calendar.sessions[0]:
        return listed
    later = calendar.between(listed, max(first, listed + timedelta(days=30)))
    return later[0] if later else listed


def _draw_groups(
    eligible: np.ndarray, names: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Names that list, delist, get flagged and get halted in the history; no name twice."""
    order = rng.permutation(eligible)
    sizes = [
        max(1, round(frac * names))
        for frac in (LISTED_FRAC, DELISTED_FRAC, FLAGGED_FRAC, HALTED_FRAC)
    ]
    return tuple(np.split(order, np.cumsum(sizes))[:4])


def _draw_spells(
    flags: np.ndarray, columns: np.ndarray, shortest: int, longest: int, rng: np.random.Generator
) -> None:
    for at in columns:
        length = int(rng.integers(shortest, longest + 1))
        start = int(rng.integers(1, max(2, len(flags) - length)))
        flags[start : start + length, at] = True
