"""Calendars equal what exchange_calendars and akshare know."""

from __future__ import annotations

import json
from datetime import date, time, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from time import process_time

import pytest

from tradegraph_dagster.domain.core.errors import CalendarExhausted
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.closures import load_calendar

# exchange_calendars trips a deprecation of pandas.
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray")

CN = load_market("cn").calendar
US = load_market("us").calendar
CALENDARS = {"XSHG": CN, "XNYS": US}


@cache
def _peer(name: str) -> dict[date, time]:
    """Session -> local close, by exchange_calendars."""
    exchange_calendars = pytest.importorskip("exchange_calendars")
    ours = CALENDARS[name]
    theirs = exchange_calendars.get_calendar(
        name, start=str(ours.sessions[0]), end=str(ours.sessions[-1])
    )
    return {
        session.date(): theirs.session_close(session).tz_convert(ours.timezone).time()
        for session in theirs.sessions
    }


@pytest.mark.parametrize("name", CALENDARS)
def test_sessions_equal_exchange_calendars(name: str) -> None:
    assert CALENDARS[name].sessions == tuple(_peer(name))


@pytest.mark.parametrize("name", CALENDARS)
def test_closes_equal_exchange_calendars(name: str) -> None:
    ours = CALENDARS[name]
    early = {day: close for day, close in _peer(name).items() if close != ours.closes}
    assert early == ours.early_closes


def test_shanghai_starts_twelve_sessions_after_exchange_calendars() -> None:
    exchange_calendars = pytest.importorskip("exchange_calendars")
    theirs = exchange_calendars.get_calendar("XSHG", start="1990-12-03", end="1991-01-31")
    too_early = [day.date() for day in theirs.sessions if day.date() < CN.sessions[0]]
    assert len(too_early) == 12


def test_shanghai_equals_akshare(shared_data: Path) -> None:
    text = (shared_data / "calendar" / "akshare_calendar.json").read_text()
    assert CN.sessions == tuple(date.fromisoformat(day) for day in json.loads(text))


def test_shanghai_closures_equal_akshare(shared_data: Path) -> None:
    text = (shared_data / "calendar" / "akshare_weekday_closures.json").read_text()
    theirs = [day for day in json.loads(text) if day >= "1990-12-19"]
    table = files("tradegraph_dagster.domain.markets") / "closures_xshg.json"
    assert json.loads(table.read_text())["closures"] == theirs


@pytest.mark.parametrize(
    ("calendar", "first", "last", "count"),
    [
        (CN, date(1990, 12, 19), date(2026, 12, 31), 8797),
        (US, date(1980, 1, 2), date(2027, 10, 29), 12054),
    ],
)
def test_extent(calendar: SessionCalendar, first: date, last: date, count: int) -> None:
    assert (calendar.sessions[0], calendar.sessions[-1]) == (first, last)
    assert len(calendar.sessions) == count


def test_weekday_closures_of_china_in_2026() -> None:
    days = (date(2026, 1, 1) + timedelta(days=offset) for offset in range(365))
    closed = [f"{day:%m-%d}" for day in days if day.weekday() < 5 and not CN.is_session(day)]
    assert closed == [
        *("01-01", "01-02", "02-16", "02-17", "02-18", "02-19", "02-20", "02-23", "04-06"),
        *("05-01", "05-04", "05-05", "06-19", "09-25"),
        *("10-01", "10-02", "10-05", "10-06", "10-07"),
    ]


@pytest.mark.parametrize(
    "day",
    [
        # Two Sundays on which Shanghai traded, and working Saturdays on which it did not.
        date(1992, 10, 4),
        date(1993, 1, 3),
        date(2026, 2, 14),
        date(2026, 10, 10),
    ],
)
def test_weekends_are_never_sessions(day: date) -> None:
    assert not CN.is_session(day)


@pytest.mark.parametrize(
    "day",
    [date(2001, 9, 11), date(2012, 10, 29), date(2018, 12, 5), date(2025, 1, 9), date(2026, 6, 19)],
)
def test_new_york_was_shut_on(day: date) -> None:
    assert not US.is_session(day)


@pytest.mark.parametrize(("name", "normal"), [("XSHG", time(15)), ("XNYS", time(16))])
def test_loading_is_fast(name: str, normal: time) -> None:
    def cpu_seconds() -> float:
        start = process_time()
        load_calendar(name, timezone="UTC", opens=time(9, 30), closes=normal)
        return process_time() - start

    # The best of five: a busy machine must not fail the test, a slow loader must.
    assert min(cpu_seconds() for _ in range(5)) < 0.030


def test_sessions_that_are_left_on_a_saturday() -> None:
    left = CN.between(date(2026, 11, 21), date.max)
    assert (left[0], len(left)) == (date(2026, 11, 23), 29)


def test_calendar_end_refuses_to_plan() -> None:
    with pytest.raises(CalendarExhausted):
        CN.require_runway(CN.sessions[-1])
