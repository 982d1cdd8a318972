"""What the gates found, and the bars that passed them."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import session_asset
from tradegraph_dagster.domain.core.frame_store import StepReport


def quality_assets(graph: MarketGraph) -> list[Any]:
    """The gate of one market."""
    # The gate files are small and know Polars only, so loading them here is cheap.
    from tradegraph_dagster.domain.quality.step import longest_lookback

    lookback = longest_lookback()

    @session_asset(
        graph,
        "bar_findings",
        "quarantined_bars",
        stage="quality",
        deps=[
            graph.window("adjusted_bars", -lookback),
            graph.window("corporate_actions", -lookback),
            *graph.same("instruments", "vendor_findings"),
        ],
    )
    def bar_findings(desk: Any, sessions: list[date]) -> tuple[StepReport, StepReport]:
        """Findings of every gate, and the rows they take out, each with its reason."""
        from tradegraph_dagster.domain.quality.step import find_faults, sessions_read

        ws = desk.workspace
        releases = desk.releases.releases(sessions_read(ws, sessions))
        return find_faults(ws, desk.contract, sessions, releases=releases)

    @session_asset(
        graph, stage="quality", deps=graph.same("adjusted_bars", "bar_findings"), is_gate=True
    )
    def validated_bars(desk: Any, sessions: list[date]) -> StepReport:
        """The gate: only sessions that pass are materialised; everything below reads these."""
        from tradegraph_dagster.domain.quality.step import validate_sessions

        return validate_sessions(desk.workspace, sessions, desk.settings.quality.build())

    return [bar_findings, validated_bars]
