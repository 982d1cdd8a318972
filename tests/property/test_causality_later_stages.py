"""Labels, the universe, strategies and the signal steps pass their audits; faulty ones do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tradegraph_dagster.domain.signals.strategies as strategies
from tests.support.model_lake import PLAN, CopiedStore, alpha158, decide, make_workspace, research
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.domain.core.catalogue import entry_names, load_entry
from tradegraph_dagster.domain.core.causality import Check, FrameCase, judge_frames
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.datasets.causality import (
    AUDITED_POLICY,
    SESSIONS,
    audit_labels,
    audit_universe,
    label_cases,
    market_universe,
    universe_cases,
)
from tradegraph_dagster.domain.datasets.labels import bars_to_labels
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.features.causality_market import AuditMarket, generate_market
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.step import train_month
from tradegraph_dagster.domain.signals.causality import audit_strategy
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS, Strategy
from tradegraph_dagster.domain.signals.step import forecast_sessions, weigh_sessions
from tradegraph_dagster.domain.universe.schema import UNIVERSE, UniversePolicy

CN = load_market("cn")
SPAN = LabelSpan.of_horizon(5)
AUGUST = date(2023, 8, 1)
THROUGH = date(2023, 8, 31)
CUT = date(2023, 8, 16)


def failing(cases: Sequence[FrameCase]) -> set[Check]:
    return {finding.check for finding in judge_frames("mutant", cases).findings}


@pytest.mark.parametrize("horizon", [1, 2, 5, 20])
def test_labels_read_their_two_closes_and_nothing_else(horizon: int) -> None:
    report = audit_labels(LabelSpan.of_horizon(horizon), CN, seed=horizon)
    assert report.passed, report.findings
    assert set(report.compared) == {Check.SPAN, Check.TRUNCATION, Check.OTHER_SYMBOLS}


def labels_of(span: LabelSpan) -> Callable[..., pl.DataFrame]:
    def compute(
        bars: pl.DataFrame, sessions: Sequence[date], calendar: SessionCalendar
    ) -> pl.DataFrame:
        return bars_to_labels(bars, sessions=sessions, calendar=calendar, span=span, market=CN)

    return compute


def carried_forward(
    bars: pl.DataFrame, sessions: Sequence[date], calendar: SessionCalendar
) -> pl.DataFrame:
    """Where the exit is not known, the newest close stands in for it."""
    labels = labels_of(SPAN)(bars, sessions, calendar)
    newest = bars.group_by("symbol").agg(pl.col("close").last())
    filled = labels.join(newest, on="symbol", how="left", maintain_order="left")
    return filled.with_columns(pl.col("label").fill_null(pl.col("close"))).drop("close")


def demeaned(
    bars: pl.DataFrame, sessions: Sequence[date], calendar: SessionCalendar
) -> pl.DataFrame:
    labels = labels_of(SPAN)(bars, sessions, calendar)
    return labels.with_columns(pl.col("label") - pl.col("label").mean().over("session"))


def scaled_by_all_bars(
    bars: pl.DataFrame, sessions: Sequence[date], calendar: SessionCalendar
) -> pl.DataFrame:
    labels = labels_of(SPAN)(bars, sessions, calendar)
    return labels.with_columns(pl.col("label") / bars.get_column("close").std())


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        (labels_of(LabelSpan(1, 7)), Check.SPAN),
        (labels_of(LabelSpan(1, 5)), Check.SPAN),
        (labels_of(LabelSpan(2, 6)), Check.SPAN),
        (carried_forward, Check.SPAN),
        (scaled_by_all_bars, Check.TRUNCATION),
        (demeaned, Check.OTHER_SYMBOLS),
    ],
    ids=["late exit", "early exit", "late entry", "carried", "scaled", "demeaned"],
)
def test_labels_that_read_anything_else_are_found(
    mutant: Callable[..., pl.DataFrame], check: Check
) -> None:
    assert check in failing(tuple(label_cases(mutant, SPAN)))


def test_the_universe_reads_its_window_and_nothing_later() -> None:
    report = audit_universe()
    assert report.passed, report.findings
    assert {Check.TRUNCATION, Check.PERTURBATION, Check.WARM_UP} <= set(report.compared)


@pytest.mark.parametrize("seed", range(3))
def test_the_audited_universe_leaves_out_half_for_their_turnover(seed: int) -> None:
    market = generate_market(seed, SESSIONS)
    everyone, liquid = (
        market_universe(policy, market, range(SESSIONS)).get_column("is_member")
        for policy in (UniversePolicy(), AUDITED_POLICY)
    )
    assert 0.3 < liquid.sum() / everyone.sum() < 0.7


def test_a_threshold_of_turnover_that_reads_the_future_moves_members_alone() -> None:
    def compute(market: AuditMarket, rows: Sequence[int]) -> pl.DataFrame:
        usual = float(np.nanmedian(market.bars().get_column("amount").to_numpy()))
        return market_universe(UniversePolicy(min_mean_amount=usual), market, rows)

    found = judge_frames("mutant", tuple(universe_cases(compute))).findings
    assert {one.column for one in found} == {"is_member"}
    assert {Check.TRUNCATION, Check.PERTURBATION} <= {one.check for one in found}


@pytest.mark.parametrize("fault", ["survivors", "median of all", "rank of all"])
def test_a_universe_that_knows_the_end_is_found(fault: str) -> None:
    def compute(market: AuditMarket, rows: Sequence[int]) -> pl.DataFrame:
        bars, amount = market.bars(), pl.col("amount")
        alive = bars.filter(pl.col("session") == market.sessions[-1]).get_column("symbol")
        is_member = {
            "survivors": pl.col("symbol").is_in(alive.to_list()),
            "median of all": amount > amount.median(),
            "rank of all": amount.rank() > 500,
        }[fault]
        days = [market.sessions[row] for row in rows]
        members = bars.select("session", "symbol", is_member=is_member)
        return members.filter(pl.col("session").is_in(days))

    assert Check.TRUNCATION in failing(tuple(universe_cases(compute)))


@pytest.mark.parametrize("name", entry_names(strategies))
def test_strategies_do_not_know_the_future(name: str) -> None:
    assert audit_strategy(load_entry(strategies, name, "STRATEGY")).passed


def test_a_strategy_that_never_holds_anything_does_not_pass() -> None:
    honest: Strategy = load_entry(strategies, "topk_dropout", "STRATEGY")
    idle = replace(honest, weigh=lambda candidates, holdings, params: holdings.clear())
    report = audit_strategy(idle)
    assert (report.findings, report.passed) == ((), False)


def test_a_strategy_that_remembers_later_sessions_is_found() -> None:
    honest: Strategy = load_entry(strategies, "topk_dropout", "STRATEGY")
    best: dict[str, float] = {}

    def weigh(candidates: pl.DataFrame, holdings: pl.DataFrame, params: object) -> pl.DataFrame:
        for symbol, score in candidates.select("symbol", "score").drop_nulls().iter_rows():
            best[symbol] = max(score, best.get(symbol, score))
        known = pl.Series([best.get(symbol) for symbol in candidates["symbol"]], dtype=pl.Float64)
        return honest.weigh(candidates.with_columns(score=known), holdings, {})

    checks = {one.check for one in audit_strategy(replace(honest, weigh=weigh)).findings}
    assert checks == {Check.TRUNCATION, Check.PERTURBATION}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> MemoryModelRegistry:
    """One model, champion from August on."""
    models = MemoryModelRegistry()
    ws = research(THROUGH)
    folder = tmp_path_factory.mktemp("scratch")
    train_month(ws, month=AUGUST, plan=PLAN, registry=models, scratch=Path(folder))
    return models


def signals(ws: Workspace, registry: MemoryModelRegistry) -> dict[tuple[str, date], str]:
    """Fingerprints of the forecasts and weights of August up to CUT."""
    decide(ws, AUGUST, "1", "1")
    present = ws.store.partitions(UNIVERSE.name)
    days = [day for day in ws.calendar.between(AUGUST, THROUGH) if day in present]
    forecast_sessions(ws, registry=registry, feature_set=alpha158(), sessions=days)
    weigh_sessions(ws, strategy="topk_dropout", params={"topk": 5, "n_drop": 2}, sessions=days)
    return {
        (table.name, day): ws.store.fingerprint(table.name, day)
        for table in (FORECASTS, TARGET_WEIGHTS)
        for day in days
        if day <= CUT
    }


def other_future(ws: Workspace) -> None:
    """Scores turned round, and half of the names no members, after CUT."""
    later = ws.calendar.between(ws.calendar.following(CUT), THROUGH)
    store, feature_set = ws.store, alpha158()
    assert isinstance(store, CopiedStore)
    features = store.read(feature_set.schema, later)
    store.put(feature_set.schema, features.with_columns(-pl.col(pl.Float32)), later)
    universe = store.read(UNIVERSE, later)
    is_odd = pl.Series(np.arange(universe.height) % 2 == 1)
    store.put(UNIVERSE, universe.with_columns(is_member=pl.col("is_member") & is_odd), later)


def test_signals_do_not_change_when_their_future_does(registry: MemoryModelRegistry) -> None:
    expected = signals(research(THROUGH), registry)
    changed = research(THROUGH)
    other_future(changed)
    assert len(expected) > 20
    assert signals(changed, registry) == expected


def test_signals_do_not_change_when_their_future_is_cut_off(
    registry: MemoryModelRegistry,
) -> None:
    whole = research(THROUGH)
    later = whole.calendar.between(whole.calendar.following(CUT), THROUGH)
    cut = make_workspace(whole.store.copied(without=later))
    assert max(cut.store.partitions(FEATURES)) == CUT
    assert signals(cut, registry) == signals(whole, registry)


def test_a_later_champion_changes_no_earlier_signal(registry: MemoryModelRegistry) -> None:
    expected = signals(research(THROUGH), registry)
    promoted = research(THROUGH)
    decide(promoted, date(2023, 9, 1), "2", "2")
    assert signals(promoted, registry) == expected
