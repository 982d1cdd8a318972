"""Labels, an asset a horizon."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import session_asset
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.datasets.schema import LabelSpan


def dataset_assets(graph: MarketGraph) -> list[Any]:
    """The labels of one market."""
    return [_labels(graph, span) for span in graph.settings.label_spans]


def _labels(graph: MarketGraph, span: LabelSpan) -> Any:
    @session_asset(
        graph,
        span.table.name,
        stage="datasets",
        # Read are its first two and its last session; a mapping of Dagster's can only be a window.
        deps=[graph.window("validated_bars", 0, span.exit)],
    )
    def labels(desk: Any, sessions: list[date]) -> StepReport:
        """Return from the close of t+1 over the horizon; exists once its last close is known."""
        from tradegraph_dagster.domain.datasets.step import label_sessions

        return label_sessions(desk.workspace, sessions, span=span)

    return labels
