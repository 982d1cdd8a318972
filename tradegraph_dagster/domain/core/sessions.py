"""Trading sessions and their calendar: the only source of "today" and "yesterday".

A session is an exchange trading date (`datetime.date`), never an instant and never a partition key.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from tradegraph_dagster.domain.core.errors import (
    CalendarExhausted,
    InvariantBroken,
    MissingSession,
)

MINIMUM_RUNWAY_SESSIONS = 10


@dataclass(frozen=True)
class SessionCalendar:
    """The sessions of one exchange, as far as they are known.

    Attributes:
        name: ISO 10383 market code, such as XSHG.
        timezone: IANA name; sessions, opens and closes are local to it.
        sessions: Every known session, ascending.
        opens: Local time of the open.
        closes: Local time of a normal close.
        early_closes: Session -> local time, where it differs.
    """

    name: str
    timezone: str
    sessions: tuple[date, ...]
    opens: time
    closes: time
    early_closes: Mapping[date, time] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sessions or any(day >= later for day, later in pairwise(self.sessions)):
            raise InvariantBroken(f"sessions of {self.name} must be ascending and at least one")

    def is_session(self, day: date) -> bool:
        """Whether the exchange trades on `day`."""
        position = bisect_left(self.sessions, day)
        return position < len(self.sessions) and self.sessions[position] == day

    def between(self, first: date, last: date) -> tuple[date, ...]:
        """Sessions from `first` to `last`, both included."""
        return self.sessions[bisect_left(self.sessions, first) : bisect_right(self.sessions, last)]

    def shift(self, session: date, sessions: int) -> date:
        """The session that many sessions later, or earlier when negative.

        Raises:
            MissingSession: `session` is none, or the calendar does not reach that far.
        """
        position = self._index(session) + sessions
        if not 0 <= position < len(self.sessions):
            raise MissingSession(
                f"calendar {self.name} knows {self.sessions[0]} to {self.sessions[-1]}, "
                f"not {sessions:+d} sessions from here",
                session=session,
            )
        return self.sessions[position]

    def previous(self, session: date) -> date:
        """The session before."""
        return self.shift(session, -1)

    def following(self, session: date) -> date:
        """The session after."""
        return self.shift(session, 1)

    def trailing(
        self, session: date, length: int, *, first: date | None = None
    ) -> tuple[date, ...]:
        """The last `length` sessions up to and including `session`, none before `first`."""
        end = self._index(session) + 1
        window = self.sessions[max(0, end - length) : end]
        return window if first is None else tuple(day for day in window if day >= first)

    def open_at(self, session: date) -> datetime:
        """Instant of the open, in UTC."""
        return self._instant(session, self.opens)

    def close_at(self, session: date) -> datetime:
        """Instant of the close, in UTC; early closes are honoured."""
        return self._instant(session, self.early_closes.get(session, self.closes))

    def latest_closed(self, now: datetime, *, delay: timedelta = timedelta(0)) -> date:
        """The newest session whose close is at least `delay` old at `now`.

        Raises:
            MissingSession: None has closed yet.
            CalendarExhausted: A weekday after the last known session has closed, and whether it
                was a session is not known.
        """
        if now.tzinfo is None:
            raise InvariantBroken(f"expected an instant with a time zone, found {now.isoformat()}")
        until = now - delay
        local_day = until.astimezone(ZoneInfo(self.timezone)).date()
        position = bisect_right(self.sessions, local_day)
        if position == len(self.sessions):
            self._require_known(until)
        for session in reversed(self.sessions[max(0, position - 2) : position]):
            if self.close_at(session) <= until:
                return session
        raise MissingSession(f"no session of {self.name} has closed by {until.isoformat()}")

    def require_runway(self, session: date, minimum: int = MINIMUM_RUNWAY_SESSIONS) -> None:
        """Refuse to plan when the calendar is about to end.

        Raises:
            CalendarExhausted: Fewer than `minimum` sessions are known after `session`.
        """
        left = len(self.sessions) - bisect_right(self.sessions, session)
        if left < minimum:
            raise CalendarExhausted(
                f"calendar {self.name} ends {self.sessions[-1]}: expected at least {minimum} known "
                f"sessions after this one, found {left}; update the closures table of the market",
                session=session,
            )

    def _require_known(self, until: datetime) -> None:
        unknown = self.sessions[-1] + timedelta(days=1)
        while unknown.weekday() >= 5:
            unknown += timedelta(days=1)
        if self._utc(unknown, self.closes) <= until:
            raise CalendarExhausted(
                f"calendar {self.name} ends {self.sessions[-1]} and {unknown} is past; "
                "update the closures table of the market",
                session=unknown,
            )

    def _index(self, session: date) -> int:
        if not self.is_session(session):
            raise MissingSession(f"not a session of {self.name}", session=session)
        return bisect_left(self.sessions, session)

    def _instant(self, session: date, local: time) -> datetime:
        self._index(session)
        return self._utc(session, local)

    def _utc(self, day: date, local: time) -> datetime:
        zone = ZoneInfo(self.timezone)
        return datetime.combine(day, local, tzinfo=zone).astimezone(ZoneInfo("UTC"))


def weekday_sessions(first: date, last: date, closures: frozenset[date]) -> tuple[date, ...]:
    """Every Monday to Friday from `first` to `last` that is not a closure."""
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return tuple(day for day in days if day.weekday() < 5 and day not in closures)
