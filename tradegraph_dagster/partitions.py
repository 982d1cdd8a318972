"""Sessions and trading months as Dagster partitions; the only place that defines them.

A session partition is one day wide, so mappings count sessions. A month partition is the month a
model trades in. The domain gets a `date`, never a partition key.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import dagster as dg

from tradegraph_dagster.domain.core.sessions import SessionCalendar
from tradegraph_dagster.market_settings import MarketSettings

WEEKENDS = "0 0 * * 6,0"


def session_partitions(
    calendar: SessionCalendar, settings: MarketSettings
) -> dg.DailyPartitionsDefinition:
    """One partition a session from `history_first`; today's exists from midnight on.

    A weekday that is no session is excluded by date. Where the calendar ends the partitions end.
    """
    last = settings.history_last or calendar.sessions[-1]
    sessions = frozenset(calendar.between(settings.history_first, last))
    days = ((last - settings.history_first).days + 1) if sessions else 0
    closures = [
        datetime.combine(day, time())
        for day in (settings.history_first + timedelta(days=offset) for offset in range(days))
        if day.weekday() < 5 and day not in sessions
    ]
    return dg.DailyPartitionsDefinition(
        start_date=settings.history_first.isoformat(),
        end_date=(last + timedelta(days=1)).isoformat(),
        timezone=calendar.timezone,
        end_offset=0 if settings.history_last else 1,
        exclusions=[WEEKENDS, *closures],
    )


def month_partitions(
    calendar: SessionCalendar, settings: MarketSettings
) -> dg.MonthlyPartitionsDefinition:
    """One partition a month in which a model trades; the coming month exists already."""
    last = settings.history_last or calendar.sessions[-1]
    return dg.MonthlyPartitionsDefinition(
        start_date=settings.training.first_month.isoformat(),
        end_date=next_month(last).isoformat(),
        timezone=calendar.timezone,
        end_offset=0 if settings.history_last else 2,
    )


def month_of(session: date) -> date:
    """Partition of the month a session lies in."""
    return session.replace(day=1)


def next_month(session: date) -> date:
    """Partition of the month after a session's."""
    return (session.replace(day=1) + timedelta(days=32)).replace(day=1)
