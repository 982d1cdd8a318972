"""Audits of what a dataset is made of beside features: labels and the universe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, time
from functools import partial

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.causality import (
    CausalityReport,
    Check,
    FrameCase,
    judge_frames,
)
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.features.causality_cases import perturbation_cases
from tradegraph_dagster.domain.features.causality_market import AuditMarket, generate_market
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.domain.universe.schema import (
    LIQUIDITY_WINDOW_SESSIONS,
    UNIVERSE,
    UniversePolicy,
)
from tradegraph_dagster.domain.universe.select import bars_to_universe

SESSIONS = 90
LABELLED = 12
# Sessions after the last exit, for a label that reads beyond it.
BEYOND = 10
# About half of the generated instruments trade for more.
AUDITED_POLICY = UniversePolicy(min_mean_amount=5e7)

Labels = Callable[[pl.DataFrame, Sequence[date], SessionCalendar], pl.DataFrame]
Universe = Callable[[AuditMarket, Sequence[int]], pl.DataFrame]


def audit_labels(span: LabelSpan, market: Market, *, seed: int = 0) -> CausalityReport:
    """Prove that the label of t reads its entry and exit only, and is unknown until the exit."""

    def compute(
        bars: pl.DataFrame, sessions: Sequence[date], calendar: SessionCalendar
    ) -> pl.DataFrame:
        return bars_to_labels(bars, sessions=sessions, calendar=calendar, span=span, market=market)

    return judge_frames(span.table.name, tuple(label_cases(compute, span, seed=seed)))


def label_cases(compute: Labels, span: LabelSpan, *, seed: int = 0) -> Iterator[FrameCase]:
    """Labels of sessions spread over a generated market, and of the same with changed bars."""
    bars_of = generate_market(seed, SESSIONS + span.exit + BEYOND)
    other = generate_market(seed + 1, bars_of.rows)
    calendar = _calendar(bars_of)
    at = np.linspace(0, SESSIONS - 1, LABELLED).astype(int).tolist()
    whole = compute(bars_of.bars(), [bars_of.sessions[t] for t in at], calendar)
    for t in at:
        session, known = bars_of.sessions[t], bars_of.sessions[t + span.exit]
        expected = whole.filter(pl.col("session") == session)
        kept = _only_rows(bars_of, other, t, (t + span.entry, t + span.exit))
        what = f"all but the closes of {bars_of.sessions[t + span.entry]} and {known} changed"
        yield FrameCase(Check.SPAN, what, expected, compute(kept.bars(), [session], calendar))
        cut = bars_of.bars().filter(pl.col("session") <= known)
        what = f"history cut after {known}"
        yield FrameCase(Check.TRUNCATION, what, expected, compute(cut, [session], calendar))
        early = cut.filter(pl.col("session") < known)
        unknown = expected.with_columns(label=pl.lit(None, pl.Float64))
        what = f"the close of {known} is not known yet"
        yield FrameCase(Check.SPAN, what, unknown, compute(early, [session], calendar))
    some = bars_of.bars().filter(pl.col("symbol").is_in(bars_of.symbols[::2]))
    alone = compute(some, [bars_of.sessions[t] for t in at], calendar)
    expected = whole.filter(pl.col("symbol").is_in(bars_of.symbols[::2]))
    yield FrameCase(Check.OTHER_SYMBOLS, "half of the instruments", expected, alone)


def audit_universe(*, seed: int = 0) -> CausalityReport:
    """Prove that membership on t reads its liquidity window and no later session."""
    cases = tuple(universe_cases(partial(market_universe, AUDITED_POLICY), seed=seed))
    return judge_frames(UNIVERSE.name, cases)


def market_universe(
    policy: UniversePolicy, market: AuditMarket, rows: Sequence[int]
) -> pl.DataFrame:
    """UNIVERSE rows of some rows of a generated market."""
    bars, days = market.bars(), market.sessions
    windows = {days[t]: days[max(0, t + 1 - LIQUIDITY_WINDOW_SESSIONS) : t + 1] for t in rows}
    return bars_to_universe(bars, _instruments(bars), windows, policy=policy)


def universe_cases(compute: Universe, *, seed: int = 0) -> Iterator[FrameCase]:
    """The universe of a generated market, and of the same with its future cut off or changed."""
    market = generate_market(seed, SESSIONS)
    whole = compute(market, range(market.rows))
    for t in np.linspace(0, market.rows - 1, LABELLED).astype(int).tolist():
        session = market.sessions[t]
        expected = whole.filter(pl.col("session") <= session)
        found = compute(market.window(0, t), range(t + 1))
        yield FrameCase(Check.TRUNCATION, f"history cut after {session}", expected, found)
        first = max(0, t + 1 - LIQUIDITY_WINDOW_SESSIONS)
        window = market.window(first, t)
        what = f"only {market.sessions[first]} to {session}"
        today = expected.filter(pl.col("session") == session)
        yield FrameCase(Check.WARM_UP, what, today, compute(window, [t - first]))
    for case in perturbation_cases(market, seed, 2):
        expected = whole.filter(pl.col("session") <= market.sessions[case.rows - 1])
        found = compute(case.market, range(case.rows))
        yield FrameCase(case.check, case.change, expected, found)
    columns = np.arange(0, len(market.symbols), 2)
    part = market.only(columns)
    expected = whole.filter(pl.col("symbol").is_in(part.symbols))
    alone = compute(part, range(part.rows))
    yield FrameCase(Check.OTHER_SYMBOLS, "half of the instruments", expected, alone)


def _only_rows(
    market: AuditMarket, other: AuditMarket, session: int, read: tuple[int, ...]
) -> AuditMarket:
    """The market with other bars but for the rows read; on the session the same have a row."""
    is_read = np.isin(np.arange(market.rows), read)[:, np.newaxis]
    has_row = np.where(is_read, market.has_row, other.has_row)
    has_row[session] = market.has_row[session]
    values = np.where(is_read, market.values, other.values)
    return replace(market, values=np.where(has_row, values, np.nan), has_row=has_row)


def _calendar(market: AuditMarket) -> SessionCalendar:
    return SessionCalendar("AUDIT", "UTC", market.history, time(9), time(15))


def _instruments(bars: pl.DataFrame) -> pl.DataFrame:
    listed = bars.select(
        "session",
        "symbol",
        "is_st",
        name=pl.col("symbol"),
        board=pl.lit("main"),
        listed_on=pl.col("session").min(),
        industry=pl.lit(None, pl.String),
    )
    return conform_frame(listed, INSTRUMENTS)
