"""Forecasts and the portfolio they ask for."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import session_asset
from tradegraph_dagster.domain.core.frame_store import StepReport


def signal_assets(graph: MarketGraph) -> list[Any]:
    """The signals of one market."""

    @session_asset(
        graph,
        stage="signals",
        deps=[*graph.same("features", "universe"), graph.month("champion")],
    )
    def forecasts(desk: Any, sessions: list[date]) -> StepReport:
        """Scores of the model that was champion as of the session."""
        from tradegraph_dagster.domain.signals.step import forecast_sessions

        return forecast_sessions(
            desk.workspace,
            registry=desk.registry,
            feature_set=desk.feature_set,
            sessions=sessions,
        )

    @session_asset(graph, stage="signals", deps=graph.same("forecasts", "universe"))
    def target_weights(desk: Any, sessions: list[date]) -> StepReport:
        """The portfolio to hold in the next session, carried forward from the one before."""
        from tradegraph_dagster.domain.signals.step import weigh_sessions

        strategy = desk.settings.strategy
        return weigh_sessions(
            desk.workspace, strategy=strategy.name, params=strategy.params, sessions=sessions
        )

    return [forecasts, target_weights]
