"""Each kind of look-ahead, put into a set that has none, is found by the check it should be."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.audit_mutants import HONEST, LOOKBACK, NAMES, with_fault, with_fault_across
from tradegraph_dagster.domain.core.causality import Check
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.features import causality
from tradegraph_dagster.domain.features.causality import (
    Trial,
    audit_feature_set,
    bars_compute,
    feature_trials,
    judge_trials,
)
from tradegraph_dagster.domain.features.causality_market import AuditMarket, generate_market
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.schema import PRICE_SCALE, VOLUME_SCALE, BarGrid, FeatureSet

Values = np.ndarray


def checks_that_fail(feature_set: FeatureSet) -> set[Check]:
    report = audit_feature_set(feature_set)
    assert {finding.column for finding in report.findings} <= {NAMES[0]}
    return {finding.check for finding in report.findings}


def whole_history_scaler(grid: BarGrid, values: Values) -> Values:
    return values - np.nansum(grid.fields["close"], axis=0)


def centred_window(grid: BarGrid, values: Values) -> Values:
    earlier, later = np.roll(values, 1, axis=0), np.roll(values, -1, axis=0)
    earlier[0] = later[-1] = np.nan
    return earlier + values + later


def whole_history_rank(grid: BarGrid, values: Values) -> Values:
    return np.where(np.isnan(values), np.nan, values.argsort(axis=0).argsort(axis=0))


def backward_fill(grid: BarGrid, values: Values) -> Values:
    filled = values.copy()
    for row in range(len(filled) - 2, -1, -1):
        filled[row] = np.where(np.isnan(filled[row]), filled[row + 1], filled[row])
    return filled


def length_of_history(grid: BarGrid, values: Values) -> Values:
    return values * len(grid.sessions)


def knowledge_of_the_end(grid: BarGrid, values: Values) -> Values:
    return np.where(np.isnan(grid.fields["close"][-1]), np.nan, values)


def neighbour(grid: BarGrid, values: Values) -> Values:
    return values - np.roll(values, 1, axis=1)


def market_sum(grid: BarGrid, values: Values) -> Values:
    return values - np.nansum(values, axis=1, keepdims=True)


def running_sum(grid: BarGrid, values: Values) -> Values:
    return np.cumsum(np.nan_to_num(values), axis=0)


def row_number(grid: BarGrid, values: Values) -> Values:
    return values + np.arange(len(values))[:, np.newaxis]


def longer_window(grid: BarGrid, values: Values) -> Values:
    result = np.full_like(values, np.nan)
    result[LOOKBACK + 1 :] = grid.fields["close"][: -LOOKBACK - 1]
    return result


def price_level(grid: BarGrid, values: Values) -> Values:
    return values + grid.fields["close"]


FAULTS = [
    (whole_history_scaler, {Check.TRUNCATION, Check.PERTURBATION}),
    (centred_window, {Check.TRUNCATION, Check.PERTURBATION}),
    (whole_history_rank, {Check.TRUNCATION, Check.PERTURBATION}),
    (backward_fill, {Check.TRUNCATION, Check.PERTURBATION}),
    (length_of_history, {Check.TRUNCATION, Check.WARM_UP}),
    (knowledge_of_the_end, {Check.TRUNCATION, Check.PERTURBATION}),
    (neighbour, {Check.SYMBOL_ORDER, Check.OTHER_SYMBOLS}),
    (market_sum, {Check.OTHER_SYMBOLS}),
    (running_sum, {Check.WARM_UP}),
    (row_number, {Check.WARM_UP}),
    (longer_window, {Check.WARM_UP}),
    (price_level, {Check.PRICE_SCALE}),
]


BOTH_FUTURES = {Check.TRUNCATION, Check.PERTURBATION}
RANK_OF_INDUSTRY = pl.col("change5").rank().over("session", "industry")


def test_the_set_without_a_fault_passes() -> None:
    assert checks_that_fail(HONEST) == set()


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[row[0].__name__ for row in FAULTS])
def test_a_fault_is_found_by_its_check(fault, expected: set[Check]) -> None:
    assert checks_that_fail(with_fault(fault)) >= expected


@pytest.mark.parametrize(
    "fault",
    [
        pl.col("change5").shift(-1).over("symbol"),
        pl.col("change5") - pl.col("change5").fill_nan(None).mean(),
        pl.col("change5").rank(),
        pl.col("change5").fill_nan(None).backward_fill().over("symbol"),
    ],
    ids=["next row", "mean of all sessions", "rank over all sessions", "backward fill"],
)
def test_a_comparison_that_leaves_its_session_is_found(fault: pl.Expr) -> None:
    assert Check.TRUNCATION in checks_that_fail(with_fault_across(fault))


def test_a_comparison_within_the_session_and_industry_passes() -> None:
    assert checks_that_fail(with_fault_across(RANK_OF_INDUSTRY)) == set()


def test_a_comparison_that_ignores_industries_is_found() -> None:
    rank = pl.col("change5").rank().over("session")
    assert checks_that_fail(with_fault_across(rank)) == {Check.OTHER_SYMBOLS}


@pytest.mark.parametrize(
    ("industry", "expected"),
    [
        (pl.col("industry").last().over("symbol"), BOTH_FUTURES),
        (pl.col("industry").drop_nulls().last().over("symbol"), BOTH_FUTURES),
        (pl.col("industry").shift(-1).over("symbol"), BOTH_FUTURES),
        (pl.col("industry").first().over("symbol"), {Check.WARM_UP}),
        (pl.lit(None, pl.String), {Check.OTHER_SYMBOLS}),
    ],
    ids=["last", "last that is known", "next", "first", "none"],
)
def test_code_around_the_set_that_takes_another_industry_is_found(
    industry: pl.Expr, expected: set[Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(bars: pl.DataFrame, feature_set: FeatureSet, **options: object) -> pl.DataFrame:
        return bars_to_features(bars.with_columns(industry=industry), feature_set, **options)

    monkeypatch.setattr(causality, "bars_to_features", other)
    assert checks_that_fail(with_fault_across(RANK_OF_INDUSTRY)) >= expected


def test_a_later_industry_is_found_on_a_market_where_none_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = pl.coalesce(pl.col("industry").shift(-1).over("symbol"), "industry")

    def other(bars: pl.DataFrame, feature_set: FeatureSet, **options: object) -> pl.DataFrame:
        return bars_to_features(bars.with_columns(industry=later), feature_set, **options)

    market = generate_market(0, 90)
    settled = replace(market, industries=market.industries[:1].repeat(market.rows, axis=0))
    trials = feature_trials(with_fault_across(RANK_OF_INDUSTRY), market=settled)
    assert judge_trials("across", NAMES, trials).passed
    monkeypatch.setattr(causality, "bars_to_features", other)
    found = judge_trials("across", NAMES, trials).findings
    assert {one.check for one in found} == {Check.PERTURBATION}


def test_code_around_the_set_that_keeps_survivors_only_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def survivors(bars: pl.DataFrame, feature_set: FeatureSet, **options: object) -> pl.DataFrame:
        is_last = pl.col("session") == pl.col("session").max()
        kept = bars.filter(is_last, ~pl.col("is_suspended")).select("symbol")
        return bars_to_features(bars.join(kept, on="symbol", how="semi"), feature_set, **options)

    monkeypatch.setattr(causality, "bars_to_features", survivors)
    report = audit_feature_set(HONEST)
    assert {finding.column for finding in report.findings} == set(NAMES)
    assert {Check.TRUNCATION, Check.PERTURBATION} <= {one.check for one in report.findings}


def test_code_around_the_set_that_reads_raw_prices_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raw(bars: pl.DataFrame, feature_set: FeatureSet, **options: object) -> pl.DataFrame:
        return bars_to_features(bars.with_columns(close="raw_close"), feature_set, **options)

    monkeypatch.setattr(causality, "bars_to_features", raw)
    report = audit_feature_set(HONEST)
    assert {(one.column, one.check) for one in report.findings} == {(NAMES[0], Check.SPLIT)}


def test_a_lookback_without_a_value_at_its_end_is_found() -> None:
    found = audit_feature_set(replace(HONEST, lookback=3)).findings
    late = next(one for one in found if one.change == "clean bars")
    assert (late.column, late.check, late.found) == (NAMES[0], Check.WARM_UP, "none")


def test_a_tolerance_covers_its_feature_only() -> None:
    def level(grid: BarGrid, values: Values) -> Values:
        return values + grid.fields["close"] * 1e-9

    allowed = replace(with_fault(level), invariant_to={PRICE_SCALE: {NAMES[0]: 1.0}})
    exact = replace(allowed, invariant_to={PRICE_SCALE: {NAMES[1]: 1.0}})
    undeclared = replace(allowed, invariant_to={VOLUME_SCALE: {}})
    assert checks_that_fail(allowed) == set()
    assert checks_that_fail(exact) == {Check.PRICE_SCALE}
    assert checks_that_fail(undeclared) == set()


def test_a_finding_names_the_place_and_both_values() -> None:
    report = audit_feature_set(with_fault(longer_window))
    finding = next(one for one in report.findings if one.check == Check.WARM_UP)
    assert finding.symbol in generate_market(0, 10).symbols
    assert finding.expected != finding.found
    assert finding.cells >= 1
    words = str(finding)
    assert all(part in words for part in ("honest", NAMES[0], str(finding.session), "only "))


@settings(max_examples=6)
@given(st.integers(0, 10_000))
def test_a_look_ahead_is_found_on_any_market(seed: int) -> None:
    mutant = with_fault(centred_window)
    trials = feature_trials(mutant, seed=seed)
    found = judge_trials("mutant", NAMES, trials).findings
    assert {one.check for one in found} >= {Check.TRUNCATION, Check.PERTURBATION}
    honest = judge_trials("honest", NAMES, feature_trials(HONEST, seed=seed))
    assert not honest.findings


def test_the_generated_market_has_the_troubles_it_promises() -> None:
    market = generate_market(0, 150)
    bars = market.bars()
    assert bars.filter("is_suspended").height > 20
    assert bars.filter(pl.col("volume") == 0).height > 5
    assert (~market.has_row).sum(axis=0).max() > 100
    assert (market.listed_at > 0).sum() == 2
    assert bars.filter(pl.col("high") == pl.col("low")).height > 10
    kinds = bars.group_by("session").agg(pl.col("industry").n_unique())["industry"]
    assert kinds.min() == 3
    moves = bars.sort("symbol", "session").select(
        (pl.col("industry").ne_missing(pl.col("industry").shift())).sum().over("symbol")
    )
    assert moves.to_series().median() > 2
    late = bars.filter(pl.col("symbol") == market.symbols[4])
    assert late.get_column("sessions_listed").to_list() == [*range(3, late.height + 3)]


def test_the_market_has_the_same_values_as_grid_and_as_bars() -> None:
    market = generate_market(1, 60)
    calendar = SessionCalendar("AUDIT", "UTC", market.history, time(9), time(15))
    frame = bars_to_features(market.bars(), HONEST, sessions=market.sessions, calendar=calendar)
    on_grid = causality.grid_compute(HONEST)(market, 0)
    on_bars = bars_compute(HONEST)(market, 0)
    assert frame.height == market.has_row.sum()
    assert on_grid[:, market.has_row].tobytes() == on_bars[:, market.has_row].tobytes()


def test_a_trial_counts_what_it_compares() -> None:
    market: AuditMarket = generate_market(0, 40)
    trials = feature_trials(HONEST, market=market)
    assert all(isinstance(trial, Trial) for trial in trials)
    steps: list[tuple[int, int]] = []
    report = judge_trials("honest", NAMES, trials, advance=lambda *step: steps.append(step))
    total = sum(len(trial.cases) for trial in trials)
    assert steps == [(done, total) for done in range(1, total + 1)]
    assert report.values > 0
    assert report.passed
