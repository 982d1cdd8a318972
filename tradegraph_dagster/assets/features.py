"""Features of the validated bars."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import session_asset
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.features.catalogue import load_feature_set


def feature_assets(graph: MarketGraph) -> list[Any]:
    """The features of one market."""
    lookback = load_feature_set(graph.settings.features).lookback

    @session_asset(graph, stage="features", deps=[graph.window("validated_bars", -lookback)])
    def features(desk: Any, sessions: list[date]) -> StepReport:
        """The configured feature set; row t reads sessions up to t only."""
        from tradegraph_dagster.domain.features.step import compute_features

        return compute_features(desk.workspace, desk.feature_set, sessions)

    return [features]
