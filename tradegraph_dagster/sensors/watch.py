"""The sensors of a deployment. They read small state only; what they decide is in `monitoring`.

The broker reads the kill switch before each order; the sensor here is the second line, which
engages it, cancels runs that were about to trade, and asks the broker to cancel what still works.
"""

from collections.abc import Sequence
from inspect import getdoc
from typing import Any

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.jobs import MARKET_TAG, job_name
from tradegraph_dagster.partitions import next_month
from tradegraph_dagster.resources.desk import Desks, MarketDesk
from tradegraph_dagster.settings import Settings

_SENSOR = "kill_switch_sensor"
# In a cursor: a cause that came while the switch was engaged for another one.
_WAITING = "waiting: "
WATCH_SECONDS = 30
FRESHNESS_SECONDS = 300


def all_sensors(
    graphs: Sequence[MarketGraph], settings: Settings, desks: Desks
) -> list[dg.SensorDefinition]:
    """Four sensors a market and one over all runs."""
    status = (
        dg.DefaultSensorStatus.RUNNING
        if settings.schedules_running
        else dg.DefaultSensorStatus.STOPPED
    )
    per_market = [
        build(graph, desks, status)
        for graph in graphs
        for build in (kill_switch_sensor, drift_sensor, freshness_sensor, readiness_sensor)
    ]
    return [*per_market, failed_run_sensor(desks, status)]


def kill_switch_sensor(
    graph: MarketGraph,
    desks: Desks,
    status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Engages on daily loss, drawdown, a reconciliation break or stale data."""

    @dg.sensor(
        name=f"{graph.name}_kill_switch",
        description=getdoc(kill_switch_sensor),
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=status,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        desk = desks[graph.name]
        reasons = _halt_reasons(desk)
        if not reasons:
            return dg.SensorResult(skip_reason="nothing calls for a halt", cursor="")
        # Acted on once: after two people have reset the switch, the same cause does not undo it.
        seen = (context.cursor or "").splitlines()
        acted = [reason for reason in reasons if reason in seen]
        new = [reason for reason in reasons if reason not in acted]
        if not new:
            return dg.SensorResult(
                skip_reason=f"acted on already: {'; '.join(acted)}", cursor="\n".join(acted)
            )
        # A cause that the switch does not name waits: it engages once the other was reset.
        is_off = desk.books.kill_switch.engaged() is None
        if is_off or any(_WAITING + reason not in seen for reason in new):
            # While it is engaged, this voids a reset that was asked for before the cause came. Once
            # a cause, or nobody could reset the switch while one lasts.
            desk.books.kill_switch.engage(reason="; ".join(new), actor=_SENSOR)
        stopped = _cancel_order_runs(context.instance, graph.name)
        said = f"kill switch engaged: {'; '.join(new)}; {stopped} order runs canceled"
        if is_off:
            said += f"; {_cancel_orders(context, desk, '; '.join(new))}"
        cursor = [*acted, *(new if is_off else [_WAITING + reason for reason in new])]
        return dg.SensorResult(skip_reason=said, cursor="\n".join(cursor))

    return sensor


def _halt_reasons(desk: MarketDesk) -> tuple[str, ...]:
    """A state that cannot be judged halts as well."""
    from tradegraph_dagster.domain.monitoring.health import halt_reasons

    try:
        return halt_reasons(desk.workspace, due=desk.latest_due(), limits=desk.halt_limits)
    except TradeGraphError as error:
        told = " ".join(str(error).splitlines())
        return (f"cannot be judged: {type(error).__name__}: {told}",)


def drift_sensor(
    graph: MarketGraph,
    desks: Desks,
    status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Requests training for the coming month when the newest drift report is red."""

    @dg.sensor(
        name=f"{graph.name}_drift",
        description=getdoc(drift_sensor),
        job_name=job_name(graph.name, "training"),
        minimum_interval_seconds=FRESHNESS_SECONDS,
        default_status=status,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from tradegraph_dagster.domain.monitoring.health import retraining_session

        desk = desks[graph.name]
        session = retraining_session(desk.workspace)
        if session is None:
            return dg.SkipReason("no red drift report")
        month = next_month(session)
        if not graph.months.has_partition_key(month.isoformat()):
            return dg.SkipReason(f"drift is red on {session}, but the history ends before {month}")
        calendar = desk.market.calendar
        if calendar.following(session) < month:
            return dg.SkipReason(f"drift is red on {session}; the model of {month} waits")
        return dg.RunRequest(run_key=f"{graph.name}:drift:{month}", partition_key=month.isoformat())

    return sensor


def freshness_sensor(
    graph: MarketGraph,
    desks: Desks,
    status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Asks for the after-close job again, once an hour, while the newest session is not validated.

    A Dagster freshness policy cannot skip holidays; this one counts sessions.
    """

    @dg.sensor(
        name=f"{graph.name}_freshness",
        description=getdoc(freshness_sensor),
        job_name=job_name(graph.name, "after_close"),
        minimum_interval_seconds=FRESHNESS_SECONDS,
        default_status=status,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        desk = desks[graph.name]
        session = desk.latest_due()
        if session in desk.workspace.store.partitions("validated_bars"):
            return dg.SkipReason(f"validated bars of {session} are there")
        # A whole market asked name by name takes hours, and each run would ask for all of it.
        if _active_runs(context.instance, job_name(graph.name, "after_close")):
            return dg.SkipReason(f"a run that may bring {session} is queued or under way")
        return dg.RunRequest(
            run_key=f"{graph.name}:fresh:{session}:{desk.clock.now():%Y%m%d%H}",
            partition_key=session.isoformat(),
        )

    return sensor


def readiness_sensor(
    graph: MarketGraph,
    desks: Desks,
    status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Keeps the readiness record of the newest due session true, also where ingesting failed."""

    @dg.sensor(
        name=f"{graph.name}_readiness",
        description=getdoc(readiness_sensor),
        job_name=job_name(graph.name, "readiness"),
        minimum_interval_seconds=FRESHNESS_SECONDS,
        default_status=status,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from tradegraph_dagster.domain.core.fingerprint import data_fingerprint
        from tradegraph_dagster.domain.monitoring.readiness import (
            evidence_to_readiness,
            gather_evidence,
        )

        desk = desks[graph.name]
        surroundings = desk.surroundings()
        session = surroundings.due
        evidence = gather_evidence(desk.workspace, session, reach=surroundings.reach)
        record = evidence_to_readiness(evidence, surroundings)
        found = f"{session}: {record['overall_state']}, {record['reason_code']}"
        seen = f"{session}:{data_fingerprint(record)}"
        if seen == context.cursor:
            return dg.SkipReason(f"unchanged since the last look, {found}")
        context.update_cursor(seen)
        return dg.RunRequest(
            run_key=f"{graph.name}:readiness:{seen}:{desk.clock.now():%Y%m%d%H%M%S}",
            partition_key=session.isoformat(),
        )

    return sensor


def failed_run_sensor(
    desks: Desks, status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED
) -> dg.SensorDefinition:
    """Writes each failed run into its market's audit chain and the log."""

    @dg.run_failure_sensor(
        name="failed_runs",
        description=getdoc(failed_run_sensor),
        default_status=status,
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        steps = sorted(event.step_key or "" for event in context.get_step_failure_events())
        context.log.error(
            "run failed job=%s run=%s steps=%s", run.job_name, run.run_id, ",".join(steps)
        )
        market = run.tags.get(MARKET_TAG, "")
        if market in desks:
            details = {"job": run.job_name, "run": run.run_id, "steps": steps}
            desks[market].audit.append("run_failed", user="failed_run_sensor", details=details)

    return sensor


def _active_runs(instance: dg.DagsterInstance, job: str) -> Sequence[Any]:
    """Runs of a job that are queued or under way."""
    active = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return instance.get_runs(dg.RunsFilter(statuses=active, job_name=job))


def _cancel_orders(context: dg.SensorEvaluationContext, desk: MarketDesk, reason: str) -> str:
    """Ask the broker to cancel what still works, once, and say what came of it."""
    from tradegraph_dagster.resources.cancels import cancel_working

    try:
        report = cancel_working(desk, reason=reason)
    except TradeGraphError as error:
        context.log.exception("no order could be canceled")
        return f"no order could be canceled: {error}"
    for order, why in report.failed.items():
        context.log.error("order %s may still fill: %s", order, why)
    for order, why in report.unwritten.items():
        context.log.error("order %s: the ledger took no note of its cancel: %s", order, why)
    if report.ended or report.asked or report.failed:
        details = {
            "ended": sorted(report.ended),
            "asked": list(report.asked),
            "failed": dict(report.failed),
        }
        desk.audit.append("orders_canceled", user=_SENSOR, details=details)
    return report.counts


def _cancel_order_runs(instance: dg.DagsterInstance, market: str) -> int:
    """Cancel queued and terminate running runs that send orders; settlement goes on."""
    runs = _active_runs(instance, job_name(market, "pre_open"))
    for run in runs:
        if run.status is dg.DagsterRunStatus.QUEUED:
            instance.run_coordinator.cancel_run(run.run_id)
        else:
            instance.run_launcher.terminate(run.run_id)
    return len(runs)
