"""The month's candidate model."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import month_asset
from tradegraph_dagster.domain.core.frame_store import Written

# A month has at least this many sessions, so a window of n sessions spans at most n/15 months.
FEWEST_SESSIONS_A_MONTH = 15


def window_months(graph: MarketGraph) -> int:
    """Months before a trading month that its training may read."""
    plan = graph.settings.split_plan
    sessions = plan.train_sessions + plan.valid_sessions + plan.test_sessions
    reach = sessions + 2 * plan.purge_sessions + plan.span.exit
    return math.ceil(reach / FEWEST_SESSIONS_A_MONTH)


def learning_windows(graph: MarketGraph) -> list[dg.AssetDep]:
    """What training and evaluation read of the months before."""
    months = window_months(graph)
    nouns = ("features", graph.settings.split_plan.span.table.name, "universe")
    return [graph.window(noun, -months, -1) for noun in nouns]


def model_assets(graph: MarketGraph) -> list[Any]:
    """The training of one market."""

    @month_asset(graph, stage="models", deps=learning_windows(graph))
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
