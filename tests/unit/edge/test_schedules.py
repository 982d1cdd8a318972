"""Schedules fire in the market's own time and never ask for a day that is no session."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.definitions import build_definitions
from tradegraph_dagster.domain.core.errors import CalendarExhausted
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.jobs import RANGE_END, RANGE_START
from tradegraph_dagster.schedules.sessions import (
    after_close,
    all_schedules,
    causality,
    feature_page,
    labels,
    month_end,
    pre_open,
)
from tradegraph_dagster.settings import Settings, load_settings

BUILDERS = (
    after_close,
    partial(labels, span=LabelSpan.of_horizon(1)),
    pre_open,
    month_end,
    causality,
    feature_page,
)
US, CN = ZoneInfo("America/New_York"), ZoneInfo("Asia/Shanghai")


def _open_ended() -> Settings:
    settings = load_settings("demo")
    markets = {
        name: market.model_copy(update={"history_last": None})
        for name, market in settings.markets.items()
    }
    return settings.model_copy(update={"markets": markets})


SETTINGS = _open_ended()
REPOSITORY = build_definitions(SETTINGS).get_repository_def()


@pytest.fixture(scope="module")
def graphs() -> dict[str, MarketGraph]:
    return {name: MarketGraph.of(name, market) for name, market in SETTINGS.markets.items()}


def _tick(schedule: dg.ScheduleDefinition, at: datetime) -> dg.ScheduleExecutionData:
    context = dg.build_schedule_context(
        scheduled_execution_time=at.astimezone(UTC), repository_def=REPOSITORY
    )
    return schedule.evaluate_tick(context)


def _keys(schedule: dg.ScheduleDefinition, at: datetime) -> dict[str, str]:
    return {
        str(request.job_name or schedule.job_name): str(request.partition_key)
        for request in _tick(schedule, at).run_requests
    }


@pytest.mark.parametrize(
    ("market", "at"),
    [
        ("us", datetime(2025, 1, 20, 17, 0, tzinfo=US)),  # Martin Luther King day
        ("us", datetime(2025, 1, 9, 17, 0, tzinfo=US)),  # national day of mourning
        ("us", datetime(2026, 7, 3, 17, 0, tzinfo=US)),  # Independence day observed
        ("cn", datetime(2025, 10, 1, 16, 0, tzinfo=CN)),  # golden week, first day
        ("cn", datetime(2025, 10, 8, 16, 0, tzinfo=CN)),  # golden week, last day
        ("cn", datetime(2026, 2, 23, 16, 0, tzinfo=CN)),  # spring festival
    ],
)
def test_a_closed_day_skips_and_says_so(
    graphs: dict[str, MarketGraph], market: str, at: datetime
) -> None:
    for build in BUILDERS:
        tick = _tick(build(graphs[market]), at)
        assert not tick.run_requests
        assert f"is closed on {at.date()}" in str(tick.skip_message)


def test_after_close_asks_for_the_session(graphs: dict[str, MarketGraph]) -> None:
    at = datetime(2025, 10, 9, 16, 0, tzinfo=CN)  # first session after the golden week
    assert _keys(after_close(graphs["cn"]), at) == {"cn_after_close": "2025-10-09"}


@pytest.mark.parametrize(
    ("horizon", "first", "last"),
    [
        (1, "2025-09-23", "2025-09-29"),
        (5, "2025-09-17", "2025-09-23"),
        (20, "2025-08-27", "2025-09-02"),
    ],
)
def test_labels_asks_for_the_session_whose_label_is_now_known(
    graphs: dict[str, MarketGraph], horizon: int, first: str, last: str
) -> None:
    at = datetime(2025, 10, 9, 16, 15, tzinfo=CN)
    (request,) = _tick(labels(graphs["cn"], LabelSpan.of_horizon(horizon)), at).run_requests
    assert request.tags[RANGE_END] == last
    assert request.tags[RANGE_START] == first
    assert request.run_key == f"cn:labels_{horizon}:{last}"


def test_each_horizon_has_a_schedule_and_a_job_of_its_own(graphs: dict[str, MarketGraph]) -> None:
    names = {
        schedule.name: schedule.job_name for schedule in all_schedules([graphs["cn"]], SETTINGS)
    }
    made = {name: job for name, job in names.items() if "labels" in name}
    assert made == {name: name for name in ("cn_labels_1", "cn_labels_5", "cn_labels_20")}


def test_an_early_close_is_a_session_like_any_other(graphs: dict[str, MarketGraph]) -> None:
    at = datetime(2026, 11, 27, 17, 0, tzinfo=US)  # closes at 13:00
    assert _keys(after_close(graphs["us"]), at)["us_after_close"] == "2026-11-27"


def test_pre_open_asks_for_the_session_about_to_open(graphs: dict[str, MarketGraph]) -> None:
    at = datetime(2025, 10, 9, 9, 0, tzinfo=CN)
    assert _keys(pre_open(graphs["cn"]), at) == {"cn_pre_open": "2025-10-09"}


def test_month_end_fires_on_the_last_session_only(graphs: dict[str, MarketGraph]) -> None:
    schedule = month_end(graphs["cn"])
    last = datetime(2025, 9, 30, 16, 30, tzinfo=CN)
    assert _keys(schedule, last) == {"cn_training": "2025-10-01"}
    early = _tick(schedule, datetime(2025, 9, 29, 16, 30, tzinfo=CN))
    assert "not the last session of its month" in str(early.skip_message)


@pytest.mark.parametrize("build", BUILDERS)
def test_local_time_does_not_move_with_daylight_saving(
    graphs: dict[str, MarketGraph], build
) -> None:
    schedule = build(graphs["us"])
    start = datetime(2026, 3, 5, tzinfo=US).timestamp()
    ticks = schedule_execution_time_iterator(
        start, schedule.cron_schedule, schedule.execution_timezone
    )
    first_week = [next(ticks) for _ in range(6)]
    assert {(tick.hour, tick.minute) for tick in first_week} == {
        (first_week[0].hour, first_week[0].minute)
    }
    offsets = {tick.utcoffset() for tick in first_week}
    assert len(offsets) == 2  # 2026-03-08 lies between them


@pytest.mark.parametrize("build", BUILDERS)
def test_a_calendar_about_to_end_refuses_to_run(graphs: dict[str, MarketGraph], build) -> None:
    with pytest.raises(dg.DagsterUserCodeExecutionError) as caught:
        _tick(build(graphs["cn"]), datetime(2026, 12, 30, 16, 0, tzinfo=CN))
    assert isinstance(caught.value.__cause__, CalendarExhausted)
    assert "expected at least 10 known sessions" in str(caught.value.__cause__)


def test_a_request_is_idempotent(graphs: dict[str, MarketGraph]) -> None:
    at = datetime(2025, 10, 9, 16, 0, tzinfo=CN)
    first = _tick(after_close(graphs["cn"]), at).run_requests
    again = _tick(after_close(graphs["cn"]), at).run_requests
    assert [request.run_key for request in first] == [request.run_key for request in again]
    assert first[0].run_key == "cn:after_close:2025-10-09"
