"""The audit of a strategy: the weights of t do not change when anything after t does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.causality import (
    CausalityReport,
    Check,
    FrameCase,
    judge_frames,
)
from tradegraph_dagster.domain.features.causality_market import FIRST_SESSION, weekdays_from
from tradegraph_dagster.domain.signals.schema import Strategy

SESSIONS = 24
NAMES = 120
CUTS = (0, 1, 5, 11, 22)

_HOLDINGS = {"symbol": pl.String, "weight_frac": pl.Float64, "held_sessions": pl.Int32}


def audit_strategy(strategy: Strategy, *, seed: int = 0) -> CausalityReport:
    """Trade generated candidates, then the same with their future cut off, changed, or known.

    A strategy is given one session at a time, so it could only know the future by remembering
    what it was asked before: the same sessions are therefore asked several times.
    """
    return judge_frames(strategy.name, tuple(strategy_cases(strategy, seed=seed)))


def strategy_cases(strategy: Strategy, *, seed: int = 0) -> Iterator[FrameCase]:
    """Weights of generated candidates, and of the same with other futures."""
    days = weekdays_from(FIRST_SESSION, SESSIONS)
    candidates, others = (_candidates(seed + shift, len(days)) for shift in (0, 1))
    whole = _traded(strategy, days, candidates)
    for t in CUTS:
        expected = whole.filter(pl.col("session") <= days[t])
        cut = _traded(strategy, days[: t + 1], candidates[: t + 1])
        yield FrameCase(Check.TRUNCATION, f"history cut after {days[t]}", expected, cut)
        mixed = [*candidates[: t + 1], *others[t + 1 :]]
        changed = _traded(strategy, days, mixed).filter(pl.col("session") <= days[t])
        what = f"other candidates after {days[t]}"
        yield FrameCase(Check.PERTURBATION, what, expected, changed)
    for t in reversed(range(1, len(days))):
        before = whole.filter(pl.col("session") == days[t - 1]).select(*_HOLDINGS)
        again = _dated(strategy.weigh(candidates[t], before, {}), days[t])
        expected = whole.filter(pl.col("session") == days[t])
        yield FrameCase(Check.PERTURBATION, "later sessions asked first", expected, again)


def _traded(
    strategy: Strategy, days: Sequence[date], candidates: Sequence[pl.DataFrame]
) -> pl.DataFrame:
    """The weights of each session, each from the portfolio before it."""
    holdings = pl.DataFrame(schema=_HOLDINGS)
    weights = []
    for day, offered in zip(days, candidates, strict=True):
        holdings = strategy.weigh(offered, holdings, {})
        weights.append(_dated(holdings, day))
    return pl.concat(weights)


def _dated(weights: pl.DataFrame, session: date) -> pl.DataFrame:
    return weights.select(pl.lit(session).alias("session"), *_HOLDINGS)


def _candidates(seed: int, sessions: int) -> list[pl.DataFrame]:
    """Candidates with ties, names without a score, suspended ones and some that are no members."""
    rng = np.random.default_rng(seed)
    symbols = [f"{600_000 + at}.SH" for at in range(NAMES)]
    return [
        pl.DataFrame(
            {
                "symbol": symbols,
                "score": np.round(rng.normal(size=NAMES), 1),
                "is_member": rng.random(NAMES) < 0.9,
                "is_suspended": rng.random(NAMES) < 0.05,
            }
        ).with_columns(score=pl.when(pl.Series(rng.random(NAMES) < 0.9)).then(pl.col("score")))
        for _ in range(sessions)
    ]
