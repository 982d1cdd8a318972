"""The month's candidate model."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import month_asset
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.datasets.schema import SplitPlan

# A month has at least this many sessions, so a window of n sessions spans at most n/15 months.
FEWEST_SESSIONS_A_MONTH = 15


def window_months(graph: MarketGraph) -> int:
    """Months before a trading month that its training may read."""
    plan: SplitPlan = graph.settings.training.split.build()  # type: ignore[attr-defined]
    sessions = plan.train_sessions + plan.valid_sessions + plan.test_sessions
    return math.ceil((sessions + 3 * plan.purge_sessions) / FEWEST_SESSIONS_A_MONTH)


def model_assets(graph: MarketGraph) -> list[Any]:
    """The training of one market."""
    months = window_months(graph)

    @month_asset(
        graph,
        stage="models",
        deps=[graph.window(noun, -months, -1) for noun in ("features", "labels", "universe")],
    )
    def candidate_model(desk: Any, month: date) -> Written:
        """The model trained on what was known before the month began."""
        from tradegraph_dagster.domain.models.step import train_month

        return train_month(
            desk.workspace,
            month=month,
            plan=desk.training_plan,
            registry=desk.registry,
            scratch=desk.scratch,
        )

    return [candidate_model]
