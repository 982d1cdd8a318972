"""Drift of features and scores, and the realised RankIC."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import trading_asset
from tradegraph_dagster.domain.core.frame_store import Written


def monitoring_assets(graph: MarketGraph) -> list[Any]:
    """The monitoring of one market."""
    window = graph.settings.drift.build().window_sessions  # type: ignore[attr-defined]

    @trading_asset(
        graph,
        stage="monitoring",
        deps=[
            graph.window("features", 1 - window),
            graph.window("universe", 1 - window),
            graph.window("labels", 1 - window),
            graph.window("forecasts", 1 - window),
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
            horizon=desk.training_plan.split.horizon_sessions,
        )

    return [drift_report]
