"""Every feature set passes its audit, and a look-ahead put into any one feature is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.audit_mutants import looking_ahead, remembering
from tradegraph_dagster.domain.core.causality import Check
from tradegraph_dagster.domain.features.catalogue import feature_set_names, load_feature_set
from tradegraph_dagster.domain.features.causality import (
    Trial,
    feature_trials,
    first_valid_rows,
    judge_trials,
)
from tradegraph_dagster.domain.features.causality_market import OLD_LISTING, AuditMarket
from tradegraph_dagster.domain.features.schema import (
    BAR_FIELDS,
    PRICE_SCALE,
    VOLUME_SCALE,
    FeatureSet,
)


def distinct_sets() -> list[str]:
    """One name a set: the comparison of the default set goes by two."""
    seen: dict[str, str] = {}
    for name in feature_set_names():
        seen.setdefault(load_feature_set(name).version, name)
    return list(seen.values())


@pytest.fixture(scope="module", params=distinct_sets())
def feature_set(request: pytest.FixtureRequest) -> FeatureSet:
    return load_feature_set(request.param)


@pytest.fixture(scope="module")
def trials(feature_set: FeatureSet) -> list[Trial]:
    return [
        replace(trial, compute=remembering(trial.compute)) for trial in feature_trials(feature_set)
    ]


def test_passes_every_check(feature_set: FeatureSet, trials: list[Trial]) -> None:
    report = judge_trials(feature_set.name, list(feature_set.definitions), trials)
    assert report.passed, "\n".join(str(finding) for finding in report.findings[:10])
    expected = {Check.TRUNCATION, Check.PERTURBATION, Check.WARM_UP, Check.SYMBOL_ORDER}
    assert expected <= set(report.compared)


def test_declared_invariances_are_known_and_excuse_features_of_the_set(
    feature_set: FeatureSet,
) -> None:
    assert set(feature_set.invariant_to) <= {PRICE_SCALE, VOLUME_SCALE}
    for excused in feature_set.invariant_to.values():
        assert set(excused) < set(feature_set.definitions)
        assert all(tolerance > 0 for tolerance in excused.values())


def test_states_the_first_row_with_a_value(feature_set: FeatureSet) -> None:
    rows = first_valid_rows(feature_set)
    assert list(rows) == list(feature_set.definitions)
    assert all(row is not None and 0 <= row <= feature_set.lookback for row in rows.values())


def test_a_look_ahead_of_one_row_in_any_one_feature_is_found(
    feature_set: FeatureSet, trials: list[Trial]
) -> None:
    missed = []
    for at, name in enumerate(feature_set.definitions):
        mutants = [looking_ahead(trial, at) for trial in trials]
        report = judge_trials(feature_set.name, [name], mutants)
        found = {finding.check for finding in report.findings if finding.column == name}
        if not found >= {Check.TRUNCATION, Check.PERTURBATION}:
            missed.append((name, found))
    assert not missed


def test_the_audit_names_the_one_feature_that_looks_ahead(
    feature_set: FeatureSet, trials: list[Trial]
) -> None:
    names = list(feature_set.definitions)
    at = len(names) // 2

    def spoilt(trial: Trial) -> Trial:
        ahead = looking_ahead(trial, at)

        def compute(market: AuditMarket, first: int) -> np.ndarray:
            values = trial.compute(market, first).copy()
            values[at] = ahead.compute(market, first)[0]
            return values

        return replace(trial, compute=compute)

    report = judge_trials(feature_set.name, names, [spoilt(trial) for trial in trials])
    assert {finding.column for finding in report.findings} == {names[at]}


def test_passes_on_real_bars(feature_set: FeatureSet, shared_data: Path) -> None:
    market = real_market(shared_data, feature_set.lookback + 60)
    report = judge_trials(
        feature_set.name, list(feature_set.definitions), feature_trials(feature_set, market=market)
    )
    assert not report.findings, "\n".join(str(finding) for finding in report.findings[:10])


def real_market(shared_data: Path, rows: int) -> AuditMarket:
    """One name in ten, the newest sessions, unadjusted; suspended ones carry no numbers."""
    bars = (
        pl.read_parquet(shared_data / "cn" / "raw_baostock_2020_2025.parquet")
        .rename({"ts_code": "symbol"})
        .with_columns(
            session=pl.col("date").cast(pl.Date), vwap=pl.col("amount") / pl.col("volume")
        )
    )
    sessions = bars.get_column("session").unique().sort().to_list()[-rows:]
    symbols = bars.get_column("symbol").unique().sort().to_list()[::10]
    bars = bars.filter(pl.col("session").is_in(sessions), pl.col("symbol").is_in(symbols))
    at = (
        np.searchsorted(np.array(sessions, dtype="datetime64[D]"), bars["session"].to_numpy()),
        np.searchsorted(symbols, bars["symbol"].to_list()),
    )
    shape = (len(sessions), len(symbols))
    values = np.full((len(BAR_FIELDS), *shape), np.nan)
    is_traded = (bars["tradestatus"] == 1).to_numpy()
    for field, name in enumerate(BAR_FIELDS):
        values[field][at] = np.where(is_traded, bars[name].cast(pl.Float64).to_numpy(), np.nan)
    has_row = np.zeros(shape, dtype=bool)
    has_row[at] = True
    return AuditMarket(
        history=tuple(sessions),
        symbols=tuple(symbols),
        industries=np.full(shape, None),
        listed_at=np.full(len(symbols), OLD_LISTING),
        values=values,
        has_row=has_row,
        raw_factor=np.ones(len(sessions)),
    )
