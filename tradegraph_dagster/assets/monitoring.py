"""Readiness of the data, drift of features and scores, and the realised RankIC."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import session_asset, trading_asset
from tradegraph_dagster.domain.core.frame_store import StepReport, Written


def monitoring_assets(graph: MarketGraph) -> list[Any]:
    """The monitoring of one market."""
    window = graph.settings.drift.build().window_sessions  # type: ignore[attr-defined]
    span = graph.settings.split_plan.span

    @trading_asset(
        graph,
        stage="monitoring",
        deps=[
            graph.window("features", 1 - window),
            graph.window("universe", 1 - window),
            graph.window(span.table.name, -window - span.exit, -span.exit - 1),
            graph.window("forecasts", -window - span.exit),
            graph.month("champion"),
        ],
    )
    def drift_report(desk: Any, session: date) -> Written:
        """Population stability of each feature and the score against what the champion learned."""
        from tradegraph_dagster.domain.monitoring.step import report_drift

        return report_drift(
            desk.workspace,
            session=session,
            policy=desk.settings.drift.build(),
            feature_set=desk.feature_set,
            span=span,
        )

    # Not on validated_bars: the record is wanted most where the gate withholds them.
    @session_asset(graph, stage="monitoring", deps=graph.same("bar_findings"))
    def readiness(desk: Any, sessions: list[date]) -> StepReport:
        """Whether the session's data may be traded on, why not, and what to do."""
        from tradegraph_dagster.domain.monitoring.readiness import assess_sessions

        return assess_sessions(desk.workspace, sessions, desk.surroundings())

    return [readiness, drift_report]
