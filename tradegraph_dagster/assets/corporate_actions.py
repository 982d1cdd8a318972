"""Corporate actions and the bars adjusted for them."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import INGEST_RETRIES, session_asset
from tradegraph_dagster.domain.core.frame_store import StepReport

# What the gates make of adjusted bars; withdrawn when the bars change.
JUDGED = ("bar_findings", "quarantined_bars", "validated_bars")


def corporate_action_assets(graph: MarketGraph) -> list[Any]:
    """The adjusting assets of one market."""

    @session_asset(graph, stage="corporate_actions", retry_policy=INGEST_RETRIES)
    def corporate_actions(desk: Any, sessions: list[date]) -> StepReport:
        """Events whose ex-date is the session, known before its open."""
        from tradegraph_dagster.domain.corporate_actions.step import ingest_actions

        return ingest_actions(
            desk.workspace,
            desk.action_sources,
            sessions,
            latest_known=desk.latest_known(),
            seen_at=desk.clock.now(),
            derived=JUDGED,
        )

    @session_asset(
        graph,
        stage="corporate_actions",
        deps=[
            *graph.same("raw_bars", "instruments", "corporate_actions"),
            graph.window("adjusted_bars", -1, -1),
        ],
    )
    def adjusted_bars(desk: Any, sessions: list[date]) -> StepReport:
        """Raw bars times the cumulative factor through the session; later events change nothing."""
        from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions

        return adjust_sessions(desk.workspace, sessions, derived=JUDGED)

    return [corporate_actions, adjusted_bars]
