"""The month's candidate model."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import month_asset
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.models.step import train_month

WINDOW_MONTHS = 24


def model_assets(graph: MarketGraph) -> list[Any]:
    """The training of one market."""

    @month_asset(
        graph,
        stage="models",
        deps=[
            graph.window(noun, -WINDOW_MONTHS, -1) for noun in ("features", "labels", "universe")
        ],
    )
    def candidate_model(desk: Any, month: date) -> Written:
        """The model trained on what was known before the month began."""
        return train_month(
            desk.workspace,
            month=month,
            plan=desk.training_plan,
            registry=desk.registry,
            scratch=desk.scratch,
        )

    return [candidate_model]
