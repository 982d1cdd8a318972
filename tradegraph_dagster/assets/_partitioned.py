"""Plain functions over desks and sessions -> partitioned Dagster assets.

A research asset takes any range in one run. It records a materialisation for each partition it
wrote, and when some were withheld it fails for those alone: what was made stays made. A trading
asset takes one session a run. Neither uses an I/O manager; the lake is written by the step.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from tradegraph_dagster.assets._failures import domain_failures, withheld_failure
from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.core.frame_store import StepReport, Written

# The gate runs apart from its children: one policy for both would put them into one run, where the
# gate's failure for a single session would stop the children for every session.
GATE_RUN_SESSIONS = 5_000
INGEST_RETRIES = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL)

Reports = StepReport | tuple[StepReport, ...]
Deps = Sequence[dg.AssetDep]


def session_asset(
    graph: MarketGraph,
    *nouns: str,
    stage: str,
    deps: Deps = (),
    retry_policy: dg.RetryPolicy | None = None,
    pool: str | None = None,
    is_gate: bool = False,
) -> Callable[[Callable[[Any, list[date]], Reports]], dg.AssetsDefinition]:
    """Make a research asset of `(desk, sessions) -> StepReport`, one report a noun."""
    policy = (
        dg.BackfillPolicy.multi_run(GATE_RUN_SESSIONS)
        if is_gate
        else dg.BackfillPolicy.single_run()
    )

    def decorate(compute: Callable[[Any, list[date]], Reports]) -> dg.AssetsDefinition:
        return _build(
            graph,
            nouns or (compute.__name__,),
            compute,
            stage=stage,
            deps=deps,
            partitions=graph.sessions,
            backfill_policy=policy,
            retry_policy=retry_policy,
            pool=pool,
        )

    return decorate


def trading_asset(
    graph: MarketGraph, *nouns: str, stage: str, deps: Deps = (), pool: str | None = None
) -> Callable[[Callable[[Any, date], Written | tuple[Written, ...]]], dg.AssetsDefinition]:
    """Make a trading asset of `(desk, session) -> Written`; never retried, one session a run."""

    def decorate(
        compute: Callable[[Any, date], Written | tuple[Written, ...]],
    ) -> dg.AssetsDefinition:
        return _build(
            graph,
            nouns or (compute.__name__,),
            _each(compute),
            stage=stage,
            deps=deps,
            partitions=graph.sessions,
            pool=pool,
        )

    return decorate


def month_asset(
    graph: MarketGraph, *, stage: str, deps: Deps = ()
) -> Callable[[Callable[[Any, date], Written | tuple[Written, ...]]], dg.AssetsDefinition]:
    """Make a training asset of `(desk, month) -> Written`; the month is the one it trades in."""

    def decorate(
        compute: Callable[[Any, date], Written | tuple[Written, ...]],
    ) -> dg.AssetsDefinition:
        return _build(
            graph,
            (compute.__name__,),
            _each(compute),
            stage=stage,
            deps=deps,
            partitions=graph.months,
        )

    return decorate


def _each(
    compute: Callable[[Any, date], Written | tuple[Written, ...]],
) -> Callable[[Any, list[date]], Reports]:
    def over_all(desk: Any, partitions: list[date]) -> Reports:
        rows = [compute(desk, partition) for partition in partitions]
        columns = zip(*(row if isinstance(row, tuple) else (row,) for row in rows), strict=True)
        return tuple(StepReport(tuple(column)) for column in columns)

    over_all.__doc__ = compute.__doc__
    return over_all


def _build(
    graph: MarketGraph,
    nouns: tuple[str, ...],
    compute: Callable[[Any, list[date]], Reports],
    *,
    stage: str,
    deps: Deps,
    partitions: dg.PartitionsDefinition,
    **options: Any,
) -> dg.AssetsDefinition:
    keys = [graph.key(noun) for noun in nouns]

    @dg.multi_asset(
        # Two underscores: a job may be called <market>_<noun>, and names must differ.
        name=f"{graph.name}__{nouns[0]}",
        specs=[
            dg.AssetSpec(
                key,
                deps=list(deps),
                group_name=stage,
                description=compute.__doc__,
                skippable=True,
                kinds={"polars"},
            )
            for key in keys
        ],
        partitions_def=partitions,
        required_resource_keys={"desks"},
        **options,
    )
    def body(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        started = time.perf_counter()
        wanted = [date.fromisoformat(key) for key in context.partition_keys]
        with domain_failures(keys[0].to_user_string()):
            reports = compute(context.resources.desks[graph.name], wanted)
        seconds = time.perf_counter() - started
        each = reports if isinstance(reports, tuple) else (reports,)
        yield from _report_events(context, dict(zip(keys, each, strict=True)), seconds)

    return body


def _report_events(
    context: dg.AssetExecutionContext, reports: dict[dg.AssetKey, StepReport], seconds: float
) -> Iterator[dg.MaterializeResult]:
    withheld: dict[date, TradeGraphError] = {}
    for report in reports.values():
        withheld.update(report.withheld)
    for key, report in reports.items():
        _logger(context).info(
            "%s done partitions=%d withheld=%d rows=%d seconds=%.2f",
            key.to_user_string(),
            len(report.written),
            len(withheld),
            sum(written.rows for written in report.written),
            seconds,
        )
        for written in report.written:
            partition, metadata = written.partition.isoformat(), _metadata(written)
            if withheld:
                context.log_event(
                    dg.AssetMaterialization(key, partition=partition, metadata=metadata)
                )
            else:
                context.add_asset_metadata(metadata, asset_key=key, partition_key=partition)
        if not withheld:
            yield dg.MaterializeResult(asset_key=key)
    if withheld:
        raise withheld_failure(next(iter(reports)).to_user_string(), withheld)


def _metadata(written: Written) -> dict[str, Any]:
    facts = {name: _shown(value) for name, value in written.facts.items()}
    return {"dagster/row_count": written.rows, "fingerprint": written.fingerprint, **facts}


def _shown(value: Any) -> Any:
    """A picture as a picture, a file as its path: browsers open no file from Dagster's pages."""
    if str(value).startswith("!["):
        return dg.MetadataValue.md(str(value))
    return dg.MetadataValue.path(str(value)) if str(value).startswith("/") else value


def _logger(context: dg.AssetExecutionContext) -> Any:
    return context.log
