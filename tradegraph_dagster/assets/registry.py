"""Out-of-sample evaluation and promotion."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import month_asset
from tradegraph_dagster.assets.models import learning_windows
from tradegraph_dagster.domain.core.frame_store import Written


def registry_assets(graph: MarketGraph) -> list[Any]:
    """The promotion of one market."""

    @month_asset(
        graph,
        stage="registry",
        deps=[*graph.same("candidate_model"), *learning_windows(graph)],
    )
    def evaluation(desk: Any, month: date) -> Written:
        """IC and RankIC of candidate and champion on sessions that neither has seen."""
        from tradegraph_dagster.adapters.report.metadata import with_ic_plot
        from tradegraph_dagster.domain.registry.step import evaluate_month

        written = evaluate_month(
            desk.workspace,
            month=month,
            registry=desk.registry,
            plan=desk.training_plan,
            min_names=desk.settings.training.min_names,
        )
        overlap = desk.settings.split_plan.span.overlap
        return with_ic_plot(desk.workspace.store, written, market=graph.name, overlap=overlap)

    @month_asset(
        graph,
        stage="registry",
        deps=[*graph.same("candidate_model", "evaluation"), graph.window("champion", -1, -1)],
    )
    def champion(desk: Any, month: date) -> Written:
        """Who trades in the month, and why; never decided by anything later than its first day."""
        from tradegraph_dagster.domain.monitoring.health import promotion_block
        from tradegraph_dagster.domain.registry.step import promote_month

        policy = desk.settings.promotion.build()
        blocked = None if policy.allow_red_drift else promotion_block(desk.workspace, month)
        return promote_month(
            desk.workspace, month=month, policy=policy, registry=desk.registry, blocked=blocked
        )

    return [evaluation, champion]
