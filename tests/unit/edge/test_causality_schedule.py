"""The weekly audit: when it runs, and that it runs alone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.checks.feature_causality import CAUSALITY_CHECK
from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.jobs import CAUSALITY, job_name
from tradegraph_dagster.schedules.sessions import causality
from tradegraph_dagster.settings import load_settings

CN = ZoneInfo("Asia/Shanghai")
SETTINGS = load_settings("live")
DEFINITIONS = build_definitions(SETTINGS)


@pytest.fixture(scope="module")
def graph() -> MarketGraph:
    return MarketGraph.of("cn", SETTINGS.markets["cn"])


def tick(graph: MarketGraph, at: datetime) -> dg.ScheduleExecutionData:
    context = dg.build_schedule_context(
        scheduled_execution_time=at.astimezone(UTC), repository_def=DEFINITIONS.get_repository_def()
    )
    return causality(graph).evaluate_tick(context)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2025, 9, 8, 16, 30, tzinfo=CN),  # a Monday
        datetime(2025, 10, 9, 16, 30, tzinfo=CN),  # a Thursday, first session after golden week
        datetime(2026, 1, 5, 16, 30, tzinfo=CN),  # first session of a year
    ],
)
def test_runs_after_the_first_session_of_a_week(graph: MarketGraph, at: datetime) -> None:
    (request,) = tick(graph, at).run_requests
    assert causality(graph).job_name == job_name("cn", CAUSALITY)
    assert request.run_key == f"cn:{CAUSALITY}:{at.date()}"


def test_skips_the_other_sessions_and_closed_days(graph: MarketGraph) -> None:
    second = tick(graph, datetime(2025, 9, 9, 16, 30, tzinfo=CN))
    assert "not the first session of its week" in str(second.skip_message)
    closed = tick(graph, datetime(2025, 10, 6, 16, 30, tzinfo=CN))
    assert "is closed on 2025-10-06" in str(closed.skip_message)


def selected_checks(job: str) -> set[str]:
    layer = DEFINITIONS.resolve_job_def(job_name("cn", job)).asset_layer
    return {key.name for key in layer.asset_graph.asset_check_keys}


def test_the_check_has_a_job_of_its_own_and_is_in_no_other() -> None:
    layer = DEFINITIONS.resolve_job_def(job_name("cn", CAUSALITY)).asset_layer
    assert selected_checks(CAUSALITY) == {CAUSALITY_CHECK}
    assert not layer.selected_asset_keys
    for job in ("features", "after_close"):
        assert selected_checks(job)
        assert CAUSALITY_CHECK not in selected_checks(job)
