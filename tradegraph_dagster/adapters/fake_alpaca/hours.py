"""The exchange's day in instants: pre-market, open, close, end of the evening."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal

from tradegraph_dagster.adapters.fake_alpaca.wire import NEW_YORK, to_datetime, to_ns
from tradegraph_dagster.domain.markets.book.us import MARKET

CALENDAR = MARKET.calendar
EVENING = timedelta(hours=4)
Turn = Literal["open", "close", "evening"]
Phase = Literal["closed", "pre", "regular", "post"]


@dataclass(frozen=True)
class Day:
    """A session's instants, in nanoseconds since the epoch."""

    session: date
    pre: int
    opens: int
    closes: int
    evening: int


@lru_cache(maxsize=1024)
def day_of(session: date) -> Day:
    """The instants of a session; the evening is shorter by as much as the day."""
    closes = CALENDAR.close_at(session)
    pre = datetime.combine(session, time(4), tzinfo=NEW_YORK)
    return Day(
        session,
        to_ns(pre),
        to_ns(CALENDAR.open_at(session)),
        to_ns(closes),
        to_ns(closes + EVENING),
    )


def local_day(ns: int) -> date:
    """The date in New York."""
    return to_datetime(ns).astimezone(NEW_YORK).date()


def phase_at(ns: int) -> Phase:
    """What part of a day it is."""
    today = local_day(ns)
    if not CALENDAR.is_session(today):
        return "closed"
    day = day_of(today)
    if day.opens <= ns < day.closes:
        return "regular"
    if day.pre <= ns < day.opens:
        return "pre"
    return "post" if day.closes <= ns < day.evening else "closed"


def next_session(ns: int, *, by: Turn = "close") -> date:
    """The first session whose open, close or evening is later than an instant."""
    first = local_day(ns)
    for session in CALENDAR.between(first, first + timedelta(days=15)):
        day = day_of(session)
        if {"open": day.opens, "close": day.closes, "evening": day.evening}[by] > ns:
            return session
    return first


def turns(after: int, until: int) -> Iterator[tuple[int, Turn, date]]:
    """Every open, close and end of an evening after one instant and up to another, in order."""
    if until <= after:
        return
    for session in CALENDAR.between(local_day(after), local_day(until)):
        day = day_of(session)
        marks: tuple[tuple[int, Turn], ...] = (
            (day.opens, "open"),
            (day.closes, "close"),
            (day.evening, "evening"),
        )
        for at, turn in marks:
            if after < at <= until:
                yield at, turn, session


def clock_row(ns: int) -> dict[str, Any]:
    """The times of /v2/clock, without the present."""
    opens = day_of(next_session(ns, by="open")).opens
    closes = day_of(next_session(ns)).closes
    return {
        "is_open": phase_at(ns) == "regular",
        "next_open": _local(opens),
        "next_close": _local(closes),
    }


def calendar_rows(first: date, last: date) -> list[dict[str, Any]]:
    """The rows of /v2/calendar; settlement is the next session."""
    rows = []
    for session in CALENDAR.between(first, last):
        closes = to_datetime(day_of(session).closes).astimezone(NEW_YORK)
        ends = closes + EVENING
        is_last = session == CALENDAR.sessions[-1]
        settles = session if is_last else CALENDAR.following(session)
        rows.append(
            {
                "date": session.isoformat(),
                "open": "09:30",
                "close": closes.strftime("%H:%M"),
                "session_open": "0400",
                "session_close": ends.strftime("%H%M"),
                "settlement_date": settles.isoformat(),
            }
        )
    return rows


def _local(ns: int) -> str:
    return to_datetime(ns).astimezone(NEW_YORK).isoformat(timespec="seconds")
