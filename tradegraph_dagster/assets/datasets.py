"""Labels."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import session_asset
from tradegraph_dagster.domain.core.frame_store import StepReport


def dataset_assets(graph: MarketGraph) -> list[Any]:
    """The labels of one market."""
    horizon = graph.settings.training.split.build().horizon_sessions  # type: ignore[attr-defined]

    @session_asset(graph, stage="datasets", deps=[graph.window("validated_bars", 0, horizon + 1)])
    def labels(desk: Any, sessions: list[date]) -> StepReport:
        """Return from the close of t+1 to the close of t+h+1; exists once that has closed."""
        from tradegraph_dagster.domain.datasets.step import label_sessions

        return label_sessions(desk.workspace, sessions, horizon=horizon)

    return [labels]
