"""After-close, labels, pre-open and month-end schedules of each market.

"Today" comes from our calendar: a tick on a day that is no session skips, saying so, and the run
request names the session as its partition key. A calendar that is about to end refuses to run.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.jobs import RANGE_END, RANGE_START, job_name
from tradegraph_dagster.partitions import month_of, next_month
from tradegraph_dagster.settings import Settings

LABELS_DELAY_MINUTES = 15
LABELS_REPEATED = 5
MONTH_END_DELAY_MINUTES = 30


def all_schedules(graphs: Sequence[MarketGraph], settings: Settings) -> list[dg.ScheduleDefinition]:
    """Four schedules a market; switched on only where the settings say so."""
    status = (
        dg.DefaultScheduleStatus.RUNNING
        if settings.schedules_running
        else dg.DefaultScheduleStatus.STOPPED
    )
    return [
        build(graph, status)
        for graph in graphs
        for build in (after_close, labels, pre_open, month_end)
    ]


def after_close(
    graph: MarketGraph, status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED
) -> dg.ScheduleDefinition:
    """The day's research, signals and settlement."""
    calendar = graph.market.calendar

    @dg.schedule(
        name=f"{graph.name}_after_close",
        cron_schedule=_cron(calendar.closes, graph.settings.after_close_minutes),
        execution_timezone=calendar.timezone,
        job_name=job_name(graph.name, "after_close"),
        default_status=status,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        session = _scheduled_day(context, graph)
        if not calendar.is_session(session):
            return _closed(graph, session)
        calendar.require_runway(session)
        return _request(graph, "after_close", session)

    return schedule


def labels(
    graph: MarketGraph, status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED
) -> dg.ScheduleDefinition:
    """The labels that the close has completed, and the few before in case bars were late."""
    calendar = graph.market.calendar
    horizon = graph.settings.training.split.build().horizon_sessions  # type: ignore[attr-defined]

    @dg.schedule(
        name=f"{graph.name}_labels",
        cron_schedule=_cron(
            calendar.closes, graph.settings.after_close_minutes + LABELS_DELAY_MINUTES
        ),
        execution_timezone=calendar.timezone,
        job_name=job_name(graph.name, "labels"),
        default_status=status,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        session = _scheduled_day(context, graph)
        if not calendar.is_session(session):
            return _closed(graph, session)
        calendar.require_runway(session)
        newest = calendar.shift(session, -horizon - 1)
        known = calendar.trailing(newest, LABELS_REPEATED, first=graph.settings.history_first)
        if not known:
            return dg.SkipReason(f"no label before {graph.settings.history_first}")
        return dg.RunRequest(
            run_key=f"{graph.name}:labels:{newest}",
            tags={RANGE_START: known[0].isoformat(), RANGE_END: known[-1].isoformat()},
        )

    return schedule


def pre_open(
    graph: MarketGraph, status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED
) -> dg.ScheduleDefinition:
    """The session's decision and orders, before the open."""
    calendar = graph.market.calendar

    @dg.schedule(
        name=f"{graph.name}_pre_open",
        cron_schedule=_cron(calendar.opens, -graph.settings.pre_open_minutes),
        execution_timezone=calendar.timezone,
        job_name=job_name(graph.name, "pre_open"),
        default_status=status,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        session = _scheduled_day(context, graph)
        if not calendar.is_session(session):
            return _closed(graph, session)
        calendar.require_runway(session)
        return _request(graph, "pre_open", session)

    return schedule


def month_end(
    graph: MarketGraph, status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED
) -> dg.ScheduleDefinition:
    """Training for the coming month, after its last session before has closed."""
    calendar = graph.market.calendar

    @dg.schedule(
        name=f"{graph.name}_month_end",
        cron_schedule=_cron(
            calendar.closes, graph.settings.after_close_minutes + MONTH_END_DELAY_MINUTES
        ),
        execution_timezone=calendar.timezone,
        job_name=job_name(graph.name, "training"),
        default_status=status,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        session = _scheduled_day(context, graph)
        if not calendar.is_session(session):
            return _closed(graph, session)
        calendar.require_runway(session)
        if month_of(calendar.following(session)) == month_of(session):
            return dg.SkipReason(f"{session} is not the last session of its month")
        return _request(graph, "training", next_month(session))

    return schedule


def _cron(local: time, minutes: int) -> str:
    at = datetime.combine(date(2000, 1, 1), local) + timedelta(minutes=minutes)
    return f"{at.minute} {at.hour} * * 1-5"


def _scheduled_day(context: dg.ScheduleEvaluationContext, graph: MarketGraph) -> date:
    zone = ZoneInfo(graph.market.calendar.timezone)
    return context.scheduled_execution_time.astimezone(zone).date()


def _closed(graph: MarketGraph, day: date) -> dg.SkipReason:
    return dg.SkipReason(f"{graph.market.calendar.name} is closed on {day}")


def _request(graph: MarketGraph, selection: str, partition: date) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{graph.name}:{selection}:{partition}",
        partition_key=partition.isoformat(),
        job_name=job_name(graph.name, selection),
    )
