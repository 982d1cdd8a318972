"""The audit that proves a feature set reads nothing it may not: no later row, no other symbol.

1. `feature_trials` generates a market and every change of it that must not matter.
2. Each trial computes the market, then each change, on grids and through `bars_to_features`.
3. `judge_trials` compares the bits of all features at once and names the first that moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time

import numpy as np

from tradegraph_dagster.domain.core.causality import (
    CausalityFinding,
    CausalityReport,
    Check,
    keep_first,
)
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.features.causality_cases import (
    AuditCase,
    perturbation_cases,
    scale_cases,
    split_cases,
    symbol_cases,
    truncation_cases,
    warm_up_cases,
)
from tradegraph_dagster.domain.features.causality_market import (
    FIRST_SESSION,
    AuditMarket,
    clean_market,
    generate_market,
    weekdays_from,
)
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.schema import FeatureSet

# Sessions of the generated market beyond the set's lookback.
SPARE_SESSIONS = 90
CLEAN_INSTRUMENTS = 8

Compute = Callable[[AuditMarket, int], np.ndarray]
"""A market and a first row -> float32 (features, rows from there, instruments), NaN for no row."""


@dataclass(frozen=True)
class FeatureSetReport(CausalityReport):
    """What the audit of a feature set did and found.

    Attributes:
        first_rows: Feature -> its first row with a value on clean bars; None for never.
    """

    first_rows: Mapping[str, int | None]


@dataclass(frozen=True)
class Trial:
    """One way to compute a set, and the changes of a market that it must not notice.

    Attributes:
        compute: The way.
        market: What is computed once, in full.
        cases: Its changes.
    """

    compute: Compute
    market: AuditMarket
    cases: tuple[AuditCase, ...]


def audit_feature_set(
    feature_set: FeatureSet,
    *,
    seed: int = 0,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> FeatureSetReport:
    """Try every check on every feature of a set.

    Args:
        feature_set: What to audit.
        seed: Of the generated market.
        advance: Told after each change how many of how many are done.

    Returns:
        The values compared by check, what moved, and the first rows.
    """
    trials = feature_trials(feature_set, seed=seed)
    names = list(feature_set.definitions)
    report = judge_trials(feature_set.name, names, trials, advance=advance)
    first_rows = first_valid_rows(feature_set, seed=seed)
    findings = (*report.findings, *_late_features(feature_set, first_rows))
    return FeatureSetReport(report.subject, report.compared, findings, first_rows)


def feature_trials(
    feature_set: FeatureSet, *, seed: int = 0, market: AuditMarket | None = None
) -> tuple[Trial, ...]:
    """What `audit_feature_set` tries: the set on grids, and on bars with the code around it.

    A set that compares the instruments of a session is tried on bars only: on grids it is its base.

    Args:
        feature_set: What to try.
        seed: Of the generated market, and of the changes.
        market: Other bars than generated ones; more rows than the set's lookback.
    """
    market = market or generate_market(seed, feature_set.lookback + SPARE_SESSIONS)
    is_alone = feature_set.across is not None
    on_bars = (*_cases(feature_set, market, seed, few=not is_alone), *split_cases(market))
    trial = Trial(bars_compute(feature_set), market, on_bars)
    if is_alone:
        return (trial,)
    on_grids = tuple(_cases(feature_set, market, seed, few=False))
    return (Trial(grid_compute(feature_set), market, on_grids), trial)


def judge_trials(
    subject: str,
    names: Sequence[str],
    trials: Sequence[Trial],
    *,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> CausalityReport:
    """Compute each trial's market once and each change of it, and compare.

    Args:
        subject: Feature set, for the findings.
        names: Feature of each row of the arrays.
        trials: What to compare.
        advance: Told after each change how many of how many are done.
    """
    compared: dict[Check, int] = {}
    moved: dict[tuple[str, Check], CausalityFinding] = {}
    total = sum(len(trial.cases) for trial in trials)
    done = 0
    for trial in trials:
        whole = trial.compute(trial.market, 0)
        for case in trial.cases:
            columns = slice(None) if case.columns is None else case.columns
            expected = whole[:, case.at : case.at + case.rows, columns]
            found = trial.compute(case.market, case.first)
            found = found[:, : case.rows, : expected.shape[2]]
            compared[case.check] = compared.get(case.check, 0) + expected.size
            for finding in _findings(subject, names, trial.market, case, (expected, found)):
                keep_first(moved, finding)
            done += 1
            advance(done, total)
    return CausalityReport(subject, compared, tuple(moved.values()))


def first_valid_rows(feature_set: FeatureSet, *, seed: int = 0) -> dict[str, int | None]:
    """Feature -> its first row with a value on clean bars since the listing; None for never."""
    history = weekdays_from(FIRST_SESSION, feature_set.lookback + 2)
    market = clean_market(np.random.default_rng(seed), history, CLEAN_INSTRUMENTS)
    values = bars_compute(feature_set)(market, 0)
    has_value = np.any(~np.isnan(values), axis=2)
    first = np.where(has_value.any(axis=1), has_value.argmax(axis=1), -1)
    return {
        name: int(row) if row >= 0 else None
        for name, row in zip(feature_set.definitions, first, strict=True)
    }


def grid_compute(feature_set: FeatureSet) -> Compute:
    """The set alone."""

    def compute(market: AuditMarket, first: int) -> np.ndarray:
        shape = (len(feature_set.definitions), market.rows - first, len(market.symbols))
        result = np.full(shape, np.nan, dtype=np.float32)
        result[:, :, market.listed()] = feature_set.compute(market.grid())[:, first:]
        # A grid has rows before a listing, a table has not: what they hold means nothing.
        result[:, np.arange(first, market.rows)[:, np.newaxis] < market.listed_at] = np.nan
        return result

    return compute


def bars_compute(feature_set: FeatureSet) -> Compute:
    """The set as the asset computes it: from the table of bars to the table of features."""

    def compute(market: AuditMarket, first: int) -> np.ndarray:
        sessions = market.sessions[first:]
        frame = bars_to_features(
            market.bars(),
            feature_set,
            sessions=sessions,
            calendar=SessionCalendar("AUDIT", "UTC", market.history, time(9), time(15)),
            history_begins=market.history[0],
        )
        days = np.array(sessions, dtype="datetime64[D]")
        rows = np.searchsorted(days, frame.get_column("session").to_numpy())
        columns = np.searchsorted(market.symbols, frame.get_column("symbol").to_list())
        names = list(feature_set.definitions)
        result = np.full((len(names), len(days), len(market.symbols)), np.nan, dtype=np.float32)
        result[:, rows, columns] = frame.select(names).to_numpy().T
        return result

    return compute


def _cases(
    feature_set: FeatureSet, market: AuditMarket, seed: int, *, few: bool
) -> Iterator[AuditCase]:
    yield from truncation_cases(market, 8 if few else 24)
    yield from perturbation_cases(market, seed, 1 if few else 3)
    yield from warm_up_cases(market, feature_set.lookback, 6 if few else 12)
    yield from symbol_cases(market, feature_set, seed)
    yield from scale_cases(market, feature_set)


def _findings(
    subject: str,
    names: Sequence[str],
    market: AuditMarket,
    case: AuditCase,
    values: tuple[np.ndarray, np.ndarray],
) -> Iterator[CausalityFinding]:
    """The features of one case whose values differ, each at the first value that does."""
    expected, found = (np.ascontiguousarray(side) for side in values)
    is_moved = expected.view(np.int32) != found.view(np.int32)
    if not is_moved.any():
        return
    is_moved &= ~_within(expected, found, _tolerances(names, case))
    places = np.arange(len(market.symbols)) if case.columns is None else case.columns
    for feature in np.flatnonzero(is_moved.any(axis=(1, 2))).tolist():
        row, column = (int(at) for at in np.argwhere(is_moved[feature])[0])
        yield CausalityFinding(
            subject=subject,
            column=names[feature],
            check=case.check,
            change=case.change,
            session=market.sessions[case.at + row],
            symbol=market.symbols[places[column]],
            expected=_shown(expected[feature, row, column]),
            found=_shown(found[feature, row, column]),
            cells=int(is_moved[feature].sum()),
        )


def _shown(value: np.float32) -> str:
    """A missing value with its bits: they too are stored, and must not depend on the range."""
    return f"nan (bits {value.view(np.uint32):08x})" if np.isnan(value) else str(value)


def _within(expected: np.ndarray, found: np.ndarray, tolerances: np.ndarray) -> np.ndarray:
    """Which values are near enough; an infinite tolerance allows a value to come or go too."""
    with np.errstate(invalid="ignore"):
        is_near = np.abs(expected - found) <= tolerances
    both_missing = np.isnan(expected) & np.isnan(found) & (tolerances > 0)
    near: np.ndarray = is_near & (tolerances > 0) | both_missing | np.isinf(tolerances)
    return near


def _tolerances(names: Sequence[str], case: AuditCase) -> np.ndarray:
    each = [case.tolerances.get(name, 0.0) for name in names]
    return np.array(each)[:, np.newaxis, np.newaxis]


def _late_features(
    feature_set: FeatureSet, first_rows: Mapping[str, int | None]
) -> Iterator[CausalityFinding]:
    """Features without a value even after the lookback, on clean bars."""
    history = weekdays_from(FIRST_SESSION, feature_set.lookback + 1)
    for name, row in first_rows.items():
        if row is None or row > feature_set.lookback:
            yield CausalityFinding(
                subject=feature_set.name,
                column=name,
                check=Check.WARM_UP,
                change="clean bars",
                session=history[-1],
                symbol="*",
                expected=f"a value in row {feature_set.lookback}, the declared lookback",
                found="none" if row is None else f"the first in row {row}",
                cells=1,
            )
