"""After-close, labels, pre-open, month-end and weekly schedules of each market.

"Today" comes from our calendar: a tick on a day that is no session skips, saying so, and the run
request names the session as its partition key. A calendar that is about to end refuses to run.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.jobs import CAUSALITY, FEATURE_PAGE, RANGE_END, RANGE_START, job_name
from tradegraph_dagster.partitions import month_of, next_month
from tradegraph_dagster.settings import Settings

Status = dg.DefaultScheduleStatus
STOPPED = dg.DefaultScheduleStatus.STOPPED

LABELS_DELAY_MINUTES = 15
LABELS_REPEATED = 5
MONTH_END_DELAY_MINUTES = 30
CAUSALITY_DELAY_MINUTES = 45
FEATURE_PAGE_DELAY_MINUTES = 60
# A schedule has the name of what its job makes, but for these.
_NAMES = {"training": "month_end"}


def all_schedules(graphs: Sequence[MarketGraph], settings: Settings) -> list[dg.ScheduleDefinition]:
    """Five schedules a market and one a label horizon, switched on where the settings say so."""
    status = (
        dg.DefaultScheduleStatus.RUNNING
        if settings.schedules_running
        else dg.DefaultScheduleStatus.STOPPED
    )
    return [
        schedule
        for graph in graphs
        for schedule in (
            after_close(graph, status),
            *(labels(graph, span, status) for span in graph.settings.label_spans),
            pre_open(graph, status),
            month_end(graph, status),
            causality(graph, status),
            feature_page(graph, status),
        )
    ]


def after_close(graph: MarketGraph, status: Status = STOPPED) -> dg.ScheduleDefinition:
    """The day's research, signals and settlement."""
    at = _cron(graph.market.calendar.closes, graph.settings.after_close_minutes)
    return _session_schedule(
        graph,
        "after_close",
        at,
        status,
        lambda day: _request(graph, "after_close", day),
        description=after_close.__doc__,
    )


def labels(graph: MarketGraph, span: LabelSpan, status: Status = STOPPED) -> dg.ScheduleDefinition:
    """The labels that the close has completed, and the few before in case bars were late."""
    calendar, table = graph.market.calendar, span.table.name

    def request(session: date) -> dg.RunRequest | dg.SkipReason:
        newest = calendar.shift(session, -span.exit)
        known = calendar.trailing(newest, LABELS_REPEATED, first=graph.settings.history_first)
        if not known:
            return dg.SkipReason(f"no label before {graph.settings.history_first}")
        return dg.RunRequest(
            run_key=f"{graph.name}:{table}:{newest}",
            tags={RANGE_START: known[0].isoformat(), RANGE_END: known[-1].isoformat()},
        )

    minutes = graph.settings.after_close_minutes + LABELS_DELAY_MINUTES
    at = _cron(calendar.closes, minutes)
    return _session_schedule(graph, table, at, status, request, description=labels.__doc__)


def pre_open(graph: MarketGraph, status: Status = STOPPED) -> dg.ScheduleDefinition:
    """The session's decision and orders, before the open."""
    at = _cron(graph.market.calendar.opens, -graph.settings.pre_open_minutes)
    return _session_schedule(
        graph,
        "pre_open",
        at,
        status,
        lambda day: _request(graph, "pre_open", day),
        description=pre_open.__doc__,
    )


def month_end(graph: MarketGraph, status: Status = STOPPED) -> dg.ScheduleDefinition:
    """Training for the coming month, after the last session before it has closed."""
    calendar = graph.market.calendar

    def request(session: date) -> dg.RunRequest | dg.SkipReason:
        if month_of(calendar.following(session)) == month_of(session):
            return dg.SkipReason(f"{session} is not the last session of its month")
        return _request(graph, "training", next_month(session))

    minutes = graph.settings.after_close_minutes + MONTH_END_DELAY_MINUTES
    at = _cron(calendar.closes, minutes)
    return _session_schedule(graph, "training", at, status, request, description=month_end.__doc__)


def causality(graph: MarketGraph, status: Status = STOPPED) -> dg.ScheduleDefinition:
    """The audit of the newest features, after the first session of a week has closed."""
    return _weekly(graph, CAUSALITY, CAUSALITY_DELAY_MINUTES, status, causality.__doc__)


def feature_page(graph: MarketGraph, status: Status = STOPPED) -> dg.ScheduleDefinition:
    """The page of the features, after the first session of a week has closed."""
    return _weekly(graph, FEATURE_PAGE, FEATURE_PAGE_DELAY_MINUTES, status, feature_page.__doc__)


def _weekly(
    graph: MarketGraph, job: str, delay: int, status: Status, description: str | None
) -> dg.ScheduleDefinition:
    """A run without a partition after the first session of a week has closed."""
    calendar = graph.market.calendar

    def request(session: date) -> dg.RunRequest | dg.SkipReason:
        if calendar.previous(session).isocalendar()[:2] == session.isocalendar()[:2]:
            return dg.SkipReason(f"{session} is not the first session of its week")
        return dg.RunRequest(run_key=f"{graph.name}:{job}:{session}")

    at = _cron(calendar.closes, graph.settings.after_close_minutes + delay)
    return _session_schedule(graph, job, at, status, request, description=description)


def _session_schedule(
    graph: MarketGraph,
    selection: str,
    cron: str,
    status: Status,
    request: Callable[[date], dg.RunRequest | dg.SkipReason],
    *,
    description: str | None,
) -> dg.ScheduleDefinition:
    """A schedule that asks `request` on sessions only, while the calendar reaches far enough."""
    calendar = graph.market.calendar

    @dg.schedule(
        name=f"{graph.name}_{_NAMES.get(selection, selection)}",
        description=description,
        cron_schedule=cron,
        execution_timezone=calendar.timezone,
        job_name=job_name(graph.name, selection),
        default_status=status,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        local = context.scheduled_execution_time.astimezone(ZoneInfo(calendar.timezone))
        session = local.date()
        if not calendar.is_session(session):
            return dg.SkipReason(f"{calendar.name} is closed on {session}")
        calendar.require_runway(session)
        return request(session)

    return schedule


def _cron(local: time, minutes: int) -> str:
    at = datetime.combine(date(2000, 1, 1), local) + timedelta(minutes=minutes)
    return f"{at.minute} {at.hour} * * 1-5"


def _request(graph: MarketGraph, selection: str, partition: date) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{graph.name}:{selection}:{partition}",
        partition_key=partition.isoformat(),
        job_name=job_name(graph.name, selection),
    )
