"""Partition keys are the calendar's sessions, and mappings count sessions."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.market_settings import MarketSettings
from tradegraph_dagster.partitions import month_of, month_partitions, next_month, session_partitions
from tradegraph_dagster.settings import load_settings

FIRST, LAST = date(2006, 1, 4), date(2026, 10, 30)


def _settings(market: str, **changes: object) -> MarketSettings:
    return load_settings("demo").markets[market].model_copy(update=changes)


@pytest.mark.parametrize("name", ["us", "cn"])
def test_keys_are_the_sessions_of_twenty_years(name: str) -> None:
    calendar = load_market(name).calendar
    partitions = session_partitions(
        calendar, _settings(name, history_first=FIRST, history_last=LAST)
    )
    expected = [day.isoformat() for day in calendar.between(FIRST, LAST)]
    assert len(expected) > 20 * 240
    assert partitions.get_partition_keys() == expected


@pytest.mark.parametrize("name", ["us", "cn"])
@pytest.mark.parametrize("offset", [-1, -5, -60, 1, 2])
def test_mappings_count_sessions(name: str, offset: int) -> None:
    calendar = load_market(name).calendar
    first, last = date(2019, 9, 2), date(2020, 12, 31)
    partitions = session_partitions(
        calendar, _settings(name, history_first=first, history_last=last)
    )
    mapping = dg.TimeWindowPartitionMapping(start_offset=offset, end_offset=offset)
    for session in calendar.between(date(2020, 1, 2), date(2020, 11, 30))[::7]:
        key = session.isoformat()
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(
            partitions.subset_with_partition_keys([key]), partitions, partitions
        ).partitions_subset.get_partition_keys()
        assert list(found) == [calendar.shift(session, offset).isoformat()]


def test_an_open_history_shows_todays_session_before_the_open() -> None:
    calendar = load_market("cn").calendar
    partitions = session_partitions(calendar, _settings("cn", history_last=None))
    morning = datetime(2026, 11, 20, 8, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
    with partition_loading_context(effective_dt=morning):
        assert partitions.get_last_partition_key() == "2026-11-20"


def test_partitions_end_where_the_calendar_ends() -> None:
    calendar = load_market("cn").calendar
    partitions = session_partitions(calendar, _settings("cn", history_last=None))
    later = datetime(2027, 6, 1, tzinfo=ZoneInfo("Asia/Shanghai"))
    with partition_loading_context(effective_dt=later):
        assert partitions.get_last_partition_key() == calendar.sessions[-1].isoformat()


def test_the_model_of_a_month_serves_every_session_of_it() -> None:
    calendar = load_market("cn").calendar
    settings = _settings("cn")
    sessions, months = session_partitions(calendar, settings), month_partitions(calendar, settings)
    for session in calendar.between(settings.training.first_month, settings.history_last):
        found = (
            dg.TimeWindowPartitionMapping().get_upstream_mapped_partitions_result_for_partitions(
                sessions.subset_with_partition_keys([session.isoformat()]), sessions, months
            )
        )
        assert list(found.partitions_subset.get_partition_keys()) == [month_of(session).isoformat()]


def test_next_month_crosses_the_year() -> None:
    assert next_month(date(2023, 12, 29)) == date(2024, 1, 1)
    assert next_month(date(2024, 1, 31)) == date(2024, 2, 1)
