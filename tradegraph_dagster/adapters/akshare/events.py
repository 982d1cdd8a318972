"""Events as a vendor announces them, for ten shares -> one row of a symbol and day, a share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

import polars as pl

from tradegraph_dagster.domain.core.errors import SourceSuspect
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS

ZERO = Decimal(0)


@dataclass(frozen=True)
class Event:
    """One event as announced, exact and before tax.

    Attributes:
        session: Ex-date.
        symbol: In the market's spelling.
        plan: Tells the events of one symbol and day apart.
        announced_on: Day of the newest announcement.
        cash: CNY for ten shares.
        bonus: Bonus and transferred shares for ten.
        rights: Shares offered for ten.
        rights_price: CNY for one of them.
    """

    session: date
    symbol: str
    plan: str
    announced_on: date
    cash: Decimal = ZERO
    bonus: Decimal = ZERO
    rights: Decimal = ZERO
    rights_price: Decimal = ZERO

    @property
    def changes(self) -> bool:
        """Whether it does anything: 10送0 does not."""
        return any((self.cash, self.bonus, self.rights, self.rights_price))


def first_ex_date(calendar: SessionCalendar, sessions: Sequence[date]) -> date:
    """The day after the last session before these: an ex-date from there on may be theirs."""
    first = min(sessions)
    if first == calendar.sessions[0]:
        return first
    return calendar.previous(first) + timedelta(days=1)


def events_to_actions(
    events: Iterable[Event], sessions: Sequence[date], *, calendar: SessionCalendar, source: str
) -> pl.DataFrame:
    """CORPORATE_ACTIONS rows of these sessions; events that say the same twice count once.

    An event is known from the end of the day of its announcement.

    Raises:
        SourceSuspect: Two answers about one plan, or an ex-date on a closed day right before one of
            the sessions.
    """
    asked = frozenset(sessions)
    ordered = sorted(
        {event for event in events if event.changes},
        key=lambda event: (event.session, event.symbol, event.plan),
    )
    for event in ordered:
        _require_session(calendar, event, asked, source)
    rows = [
        _merge(list(same), calendar.timezone, source)
        for key, same in groupby(ordered, key=lambda event: (event.session, event.symbol))
        if key[0] in asked
    ]
    frame = pl.DataFrame(rows, schema=CORPORATE_ACTIONS.dtypes, orient="row")
    return conform_frame(frame, CORPORATE_ACTIONS)


def _require_session(
    calendar: SessionCalendar, event: Event, asked: frozenset[date], source: str
) -> None:
    """Refuse an ex-date that would be lost: on a closed day right before a session asked for."""
    if calendar.is_session(event.session):
        return
    following = next(day for day in calendar.sessions if day > event.session)
    if following in asked:
        raise SourceSuspect(
            f"source {source}: expected ex-dates on sessions of {calendar.name}, found "
            f"{event.session}, a closed day; use another source for this session",
            session=following,
            symbol=event.symbol,
        )


def _merge(events: Sequence[Event], timezone: str, source: str) -> tuple[object, ...]:
    """One row of what happens to a symbol on one day."""
    first = events[0]
    plans = [event.plan for event in events]
    if len(set(plans)) < len(plans):
        raise SourceSuspect(
            f"source {source}: expected one answer about each plan, found {len(plans)} about "
            f"{sorted(set(plans))}; use another source for this session",
            session=first.session,
            symbol=first.symbol,
        )
    return (
        first.session,
        first.symbol,
        float(sum(event.cash for event in events) / 10),
        float(sum(event.bonus for event in events) / 10),
        float(sum(event.rights for event in events) / 10),
        float(max(event.rights_price for event in events)),
        1.0,
        source,
        _end_of_day(max(event.announced_on for event in events), timezone),
    )


def _end_of_day(day: date, timezone: str) -> datetime:
    """The last microsecond of a local day, in UTC: an announcement has been made by then."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=ZoneInfo(timezone))
    return midnight.astimezone(ZoneInfo("UTC")) - timedelta(microseconds=1)
