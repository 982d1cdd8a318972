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
    feature_set = load_feature_set(graph.settings.features)
    read = ("validated_bars", "instruments") if feature_set.across else ("validated_bars",)
    deps = [graph.window(noun, -feature_set.lookback) for noun in read]

    # Runs over windows that overlap would lose each other's records of what was read.
    @session_asset(graph, stage="features", deps=deps, pool=f"{graph.name}_features")
    def features(desk: Any, sessions: list[date]) -> StepReport:
        """The configured feature set; row t reads sessions up to t only."""
        from tradegraph_dagster.domain.features.step import compute_features
        from tradegraph_dagster.resources.desk import processors
        from tradegraph_dagster.resources.feature_page import link_feature_page

        made = compute_features(desk.workspace, desk.feature_set, sessions, threads=processors())
        return link_feature_page(desk, made)

    return [features]
