"""The calendar: days, windows, instants, and refusing to guess past its end."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tradegraph_dagster.domain.core.errors import (
    Action,
    CalendarExhausted,
    InvariantBroken,
    MissingSession,
)
from tradegraph_dagster.domain.core.sessions import SessionCalendar, weekday_sessions
from tradegraph_dagster.domain.markets.catalogue import load_market

NEW_YORK = ZoneInfo("America/New_York")
SHANGHAI = ZoneInfo("Asia/Shanghai")
CN = load_market("cn").calendar
US = load_market("us").calendar

# Monday 2024-01-01 to Friday 2024-01-12 with Wednesday the 3rd closed.
TWO_WEEKS = SessionCalendar(
    name="XTST",
    timezone="Asia/Shanghai",
    sessions=weekday_sessions(
        date(2024, 1, 1), date(2024, 1, 12), closures=frozenset({date(2024, 1, 3)})
    ),
    opens=time(9, 30),
    closes=time(15, 0),
    early_closes={date(2024, 1, 8): time(12, 0)},
)


def jan(day: int) -> date:
    return date(2024, 1, day)


def shanghai(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 1, day, hour, minute, tzinfo=SHANGHAI)


def test_weekday_sessions_leaves_out_weekends_and_closures() -> None:
    assert TWO_WEEKS.sessions == tuple(jan(day) for day in (1, 2, 4, 5, 8, 9, 10, 11, 12))


@pytest.mark.parametrize(
    ("day", "expected"),
    [(jan(1), True), (jan(3), False), (jan(6), False), (date(2023, 12, 29), False)],
)
def test_is_session(day: date, expected: bool) -> None:
    assert TWO_WEEKS.is_session(day) is expected


def test_between_includes_both_ends_and_takes_days_that_are_no_sessions() -> None:
    assert TWO_WEEKS.between(jan(3), jan(8)) == (jan(4), jan(5), jan(8))
    assert TWO_WEEKS.between(jan(6), jan(7)) == ()
    assert TWO_WEEKS.between(jan(8), jan(4)) == ()


def test_shift_counts_sessions_and_is_undone_by_its_opposite() -> None:
    assert TWO_WEEKS.shift(jan(2), 2) == jan(5)
    assert TWO_WEEKS.shift(jan(5), -2) == jan(2)
    assert TWO_WEEKS.following(jan(5)) == jan(8)
    assert TWO_WEEKS.previous(jan(8)) == jan(5)


@pytest.mark.parametrize(("session", "by"), [(jan(12), 1), (jan(1), -1), (jan(6), 0), (jan(3), 1)])
def test_shift_refuses_what_it_does_not_know(session: date, by: int) -> None:
    with pytest.raises(MissingSession) as raised:
        TWO_WEEKS.shift(session, by)
    assert raised.value.session == session
    assert "XTST" in str(raised.value)


def test_trailing_ends_at_the_session_and_stops_at_first() -> None:
    assert TWO_WEEKS.trailing(jan(8), 3) == (jan(4), jan(5), jan(8))
    assert TWO_WEEKS.trailing(jan(2), 5) == (jan(1), jan(2))
    assert TWO_WEEKS.trailing(jan(8), 3, first=jan(5)) == (jan(5), jan(8))
    assert TWO_WEEKS.trailing(jan(8), 0) == ()


@pytest.mark.parametrize("sessions", [(), (jan(2), jan(1)), (jan(1), jan(1))])
def test_sessions_must_be_ascending(sessions: tuple[date, ...]) -> None:
    with pytest.raises(InvariantBroken, match="ascending"):
        SessionCalendar("XTST", "Asia/Shanghai", sessions, time(9, 30), time(15, 0))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (shanghai(2, 14, 59), jan(1)),
        (shanghai(2, 15, 0), jan(2)),
        (shanghai(3, 23, 0), jan(2)),
        (shanghai(7, 12, 0), jan(5)),
        (shanghai(8, 11, 59), jan(5)),
        (shanghai(8, 12, 0), jan(8)),
    ],
)
def test_latest_closed_turns_at_the_close(now: datetime, expected: date) -> None:
    assert TWO_WEEKS.latest_closed(now) == expected
    assert TWO_WEEKS.latest_closed(now.astimezone(UTC)) == expected


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (timedelta(minutes=30), jan(10)),
        (timedelta(hours=24), jan(9)),
        (timedelta(days=4), jan(5)),
        (timedelta(days=8), jan(2)),
    ],
)
def test_latest_closed_takes_a_delay_of_any_length(delay: timedelta, expected: date) -> None:
    assert TWO_WEEKS.latest_closed(shanghai(10, 15, 30), delay=delay) == expected


def test_latest_closed_before_the_first_close_is_missing() -> None:
    with pytest.raises(MissingSession, match="no session of XTST has closed"):
        TWO_WEEKS.latest_closed(shanghai(1, 14, 59))


def test_latest_closed_refuses_a_naive_instant() -> None:
    with pytest.raises(InvariantBroken, match="time zone"):
        TWO_WEEKS.latest_closed(datetime(2024, 1, 2, 16, 0))  # noqa: DTZ001


def test_latest_closed_answers_until_an_unknown_weekday_could_have_closed() -> None:
    assert TWO_WEEKS.latest_closed(shanghai(14, 23, 0)) == jan(12)
    assert TWO_WEEKS.latest_closed(shanghai(15, 14, 59)) == jan(12)
    with pytest.raises(CalendarExhausted, match="update the closures table") as raised:
        TWO_WEEKS.latest_closed(shanghai(15, 15, 0))
    assert raised.value.session == jan(15)


@pytest.mark.parametrize(
    ("session", "close"),
    [
        # Clocks went forward on 2026-03-08 and back on 2026-11-01.
        (date(2026, 3, 6), datetime(2026, 3, 6, 21, 0, tzinfo=UTC)),
        (date(2026, 3, 9), datetime(2026, 3, 9, 20, 0, tzinfo=UTC)),
        (date(2026, 10, 30), datetime(2026, 10, 30, 20, 0, tzinfo=UTC)),
        (date(2026, 11, 2), datetime(2026, 11, 2, 21, 0, tzinfo=UTC)),
        (date(2026, 11, 27), datetime(2026, 11, 27, 18, 0, tzinfo=UTC)),
        (date(2026, 12, 24), datetime(2026, 12, 24, 18, 0, tzinfo=UTC)),
    ],
)
def test_new_york_closes_follow_daylight_saving_and_early_closes(
    session: date, close: datetime
) -> None:
    assert US.close_at(session) == close
    assert US.latest_closed(close) == session
    assert US.latest_closed(close - timedelta(seconds=1)) == US.previous(session)


def test_new_york_opens_follow_daylight_saving() -> None:
    assert US.open_at(date(2026, 3, 6)) == datetime(2026, 3, 6, 14, 30, tzinfo=UTC)
    assert US.open_at(date(2026, 3, 9)) == datetime(2026, 3, 9, 13, 30, tzinfo=UTC)


def test_open_of_no_session_is_refused() -> None:
    with pytest.raises(MissingSession, match="not a session of XNYS"):
        US.open_at(date(2026, 12, 25))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 9, 30, 14, 59, tzinfo=SHANGHAI), date(2026, 9, 29)),
        (datetime(2026, 9, 30, 15, 0, tzinfo=SHANGHAI), date(2026, 9, 30)),
        (datetime(2026, 10, 4, 12, 0, tzinfo=SHANGHAI), date(2026, 9, 30)),
        (datetime(2026, 10, 8, 14, 59, tzinfo=SHANGHAI), date(2026, 9, 30)),
        (datetime(2026, 10, 8, 15, 0, tzinfo=SHANGHAI), date(2026, 10, 8)),
        # A working Saturday is no session.
        (datetime(2026, 10, 10, 18, 0, tzinfo=SHANGHAI), date(2026, 10, 9)),
    ],
)
def test_latest_closed_waits_through_golden_week(now: datetime, expected: date) -> None:
    assert CN.latest_closed(now) == expected


def test_one_instant_is_different_sessions_in_two_markets() -> None:
    now = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)
    assert US.latest_closed(now) == date(2026, 11, 19)
    assert CN.latest_closed(now) == date(2026, 11, 19)
    assert US.latest_closed(now - timedelta(hours=10)) == date(2026, 11, 18)


def test_runway_refuses_below_ten_sessions() -> None:
    tenth_last = CN.sessions[-11]
    CN.require_runway(tenth_last)
    with pytest.raises(CalendarExhausted, match="found 9") as raised:
        CN.require_runway(CN.following(tenth_last))
    assert raised.value.action is Action.FIX


def test_runway_counts_from_a_day_that_is_no_session() -> None:
    CN.require_runway(date(2026, 11, 21), minimum=29)
    with pytest.raises(CalendarExhausted, match="found 29"):
        CN.require_runway(date(2026, 11, 21), minimum=30)
