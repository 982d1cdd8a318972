from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from tests.support.model_lake import (
    NAMES,
    PLAN,
    alpha158,
    decide,
    make_universe,
    make_workspace,
    research,
)
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.domain.core.errors import FeatureMismatch, MissingSession, NoChampion
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.step import train_month
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS
from tradegraph_dagster.domain.signals.step import forecast_sessions, weigh_sessions
from tradegraph_dagster.domain.universe.schema import UNIVERSE

AUGUST, SEPTEMBER = date(2023, 8, 1), date(2023, 9, 1)
THROUGH = date(2023, 9, 15)
PARAMS = {"topk": 5, "n_drop": 2}


class CountingRegistry(MemoryModelRegistry):
    """Counts how often each version was fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def fetch(self, version: str) -> tuple:
        self.fetched.append(version)
        return super().fetch(version)


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, CountingRegistry]:
    """A champion from August on, and another from September on."""
    ws, registry, folder = research(THROUGH), CountingRegistry(), tmp_path_factory.mktemp("scratch")
    for month, version in ((AUGUST, "1"), (SEPTEMBER, "2")):
        train_month(ws, month=month, plan=PLAN, registry=registry, scratch=folder)
        decide(ws, month, version, version)
    return ws, registry


@pytest.fixture
def desk(promoted: tuple[Workspace, CountingRegistry]) -> tuple[Workspace, CountingRegistry]:
    ws, registry = promoted
    registry.fetched.clear()
    return make_workspace(ws.store.copied()), registry


def forecast(desk: tuple[Workspace, MemoryModelRegistry], sessions: Sequence[date]) -> StepReport:
    ws, registry = desk
    return forecast_sessions(ws, registry=registry, feature_set=alpha158(), sessions=sessions)


def weigh(ws: Workspace, sessions: Sequence[date], **params: object) -> StepReport:
    return weigh_sessions(
        ws, strategy="topk_dropout", params={**PARAMS, **params}, sessions=sessions
    )


def around_september(ws: Workspace) -> tuple[date, ...]:
    return ws.calendar.between(date(2023, 8, 24), date(2023, 9, 8))


def test_each_session_is_scored_by_its_own_champion_loaded_once(desk: tuple) -> None:
    ws, registry = desk
    sessions = around_september(ws)
    report = forecast(desk, sessions)
    assert [written.partition for written in report.written] == list(sessions)
    assert registry.fetched == ["1", "2"]
    versions = ws.store.read(FORECASTS, sessions).select(
        is_right=pl.col("model_version")
        == pl.when(pl.col("session") < SEPTEMBER).then(pl.lit("1")).otherwise(pl.lit("2"))
    )
    assert versions["is_right"].all()


def test_one_session_alone_equals_the_same_in_a_range(desk: tuple) -> None:
    ws, registry = desk
    sessions = around_september(ws)
    forecast(desk, sessions)
    weigh(ws, sessions)
    alone = make_workspace(ws.store.copied()), registry
    for session in sessions:
        forecast(alone, [session])
        weigh(alone[0], [session])
        for table in (FORECASTS.name, TARGET_WEIGHTS.name):
            assert ws.store.fingerprint(table, session) == alone[0].store.fingerprint(
                table, session
            )


def test_without_a_champion_nothing_is_forecast(desk: tuple) -> None:
    ws, _ = desk
    day = date(2023, 7, 31)
    report = forecast(desk, [day, AUGUST])
    assert isinstance(report.withheld[day], NoChampion)
    assert ws.store.partitions(FORECASTS.name) == {AUGUST}


def test_without_inputs_a_session_waits(desk: tuple) -> None:
    day = date(2023, 9, 18)
    report = forecast(desk, [day])
    assert isinstance(report.withheld[day], MissingSession)


def test_the_sessions_of_a_champion_of_other_features_are_withheld(
    desk: tuple, tmp_path: Path
) -> None:
    ws, registry = desk
    path = tmp_path / "old.model"
    path.write_bytes(registry.fetch("1")[0].read_bytes())
    old = {"trained_through": "2023-07-27", "kind": PLAN.kind, "feature_set_version": "alpha157-0"}
    version = registry.register(path, old, params={}, metrics={}).version
    decide(ws, AUGUST, version, version)
    sessions = around_september(ws)
    report = forecast(desk, sessions)
    august = [day for day in sessions if day < SEPTEMBER]
    assert len(august) > 1
    assert sorted(report.withheld) == august
    assert [written.partition for written in report.written] == list(sessions[len(august) :])
    assert ws.store.partitions(FORECASTS.name) == set(sessions[len(august) :])
    for day in august:
        error = report.withheld[day]
        assert isinstance(error, FeatureMismatch)
        assert f"session={day}" in str(error)
        words = r"alpha157-0 of champion 3, found alpha158-.*backfill --retrain` from 2023-08-01"
        assert re.search(words, str(error))


def test_only_members_with_features_get_a_score(desk: tuple) -> None:
    ws, _ = desk
    ws.store.write(UNIVERSE, AUGUST, make_universe(AUGUST, NAMES[2:], suspended=NAMES[:2]))
    schema = alpha158().schema
    features = ws.store.read(schema, [AUGUST])
    emptied = features.with_columns(
        pl.when(pl.col("symbol") == NAMES[2]).then(float("nan")).otherwise(pl.col(name)).alias(name)
        for name in alpha158().definitions
    )
    ws.store.write(schema, AUGUST, conform_frame(emptied, schema))
    forecast(desk, [AUGUST])
    assert ws.store.read(FORECASTS, [AUGUST])["symbol"].to_list() == list(NAMES[3:])


def test_the_portfolio_is_carried_from_session_to_session(desk: tuple) -> None:
    ws, _ = desk
    sessions = around_september(ws)
    forecast(desk, sessions)
    report = weigh(ws, list(reversed(sessions)))
    assert [written.partition for written in report.written] == list(sessions)
    rows = ws.store.read(TARGET_WEIGHTS, sessions).partition_by("session")
    for before, after in pairwise(rows):
        assert after.height == PARAMS["topk"]
        left = before.join(after, on="symbol", how="anti")
        assert left.height <= PARAMS["n_drop"]
        kept = after.join(before, on="symbol", suffix="_before")
        assert (kept["held_sessions"] == kept["held_sessions_before"] + 1).all()


def test_a_skipped_session_holds_up_the_later_ones(desk: tuple) -> None:
    ws, _ = desk
    first, second, third = around_september(ws)[:3]
    forecast(desk, [first, second, third])
    weigh(ws, [first])
    report = weigh(ws, [third])
    assert not report.written
    assert str(second) in str(report.withheld[third])
    assert isinstance(report.withheld[third], MissingSession)
    assert not weigh(ws, [second, third]).withheld


def test_a_session_that_was_never_forecast_is_passed_over(desk: tuple) -> None:
    ws, _ = desk
    first, _, third = around_september(ws)[:3]
    forecast(desk, [first, third])
    assert len(weigh(ws, [first, third]).written) == 2


def test_a_suspended_holding_keeps_its_place_and_has_no_score(desk: tuple) -> None:
    ws, _ = desk
    first, second = around_september(ws)[:2]
    forecast(desk, [first])
    weigh(ws, [first])
    stuck = ws.store.read(TARGET_WEIGHTS, [first])["symbol"][0]
    others = [name for name in NAMES if name != stuck]
    ws.store.write(UNIVERSE, second, make_universe(second, others, suspended=[stuck]))
    forecast(desk, [second])
    weigh(ws, [second])
    row = ws.store.read(TARGET_WEIGHTS, [second]).filter(symbol=stuck).row(0, named=True)
    assert (row["score"], row["held_sessions"]) == (None, 2)
    assert row["model_version"] == "1"


def test_a_session_without_forecasts_waits(desk: tuple) -> None:
    ws, _ = desk
    assert isinstance(weigh(ws, [AUGUST]).withheld[AUGUST], MissingSession)
