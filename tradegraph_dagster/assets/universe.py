"""Who can be traded."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import session_asset
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.universe.schema import LIQUIDITY_WINDOW_SESSIONS


def universe_assets(graph: MarketGraph) -> list[Any]:
    """The universe of one market."""

    @session_asset(
        graph,
        stage="universe",
        deps=[
            graph.window("validated_bars", 1 - LIQUIDITY_WINDOW_SESSIONS),
            *graph.same("instruments"),
        ],
    )
    def universe(desk: Any, sessions: list[date]) -> StepReport:
        """Members: listed long enough, liquid, not suspended, not under special treatment."""
        from tradegraph_dagster.domain.universe.step import select_universe

        return select_universe(desk.workspace, sessions, desk.settings.universe.build())

    return [universe]
