"""Instruments and immutable raw bars."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import INGEST_RETRIES, session_asset
from tradegraph_dagster.assets.corporate_actions import JUDGED
from tradegraph_dagster.domain.core.frame_store import StepReport


def market_data_assets(graph: MarketGraph) -> list[Any]:
    """The ingesting assets of one market."""

    @session_asset(graph, stage="market_data", retry_policy=INGEST_RETRIES)
    def instruments(desk: Any, sessions: list[date]) -> StepReport:
        """Every instrument listed on the session: name, board, listing date, special treatment."""
        from tradegraph_dagster.domain.market_data.step import ingest_instruments

        return ingest_instruments(
            desk.workspace, desk.bar_sources, sessions, latest_closed=desk.latest_closed()
        )

    @session_asset(
        graph,
        "raw_bars",
        "vendor_findings",
        stage="market_data",
        deps=graph.same("instruments"),
        retry_policy=INGEST_RETRIES,
    )
    def raw_bars(desk: Any, sessions: list[date]) -> tuple[StepReport, StepReport]:
        """Unadjusted daily bars, a correction beside what it corrects; what is in doubt of them."""
        from tradegraph_dagster.domain.market_data.step import ingest_bars

        return ingest_bars(
            desk.workspace,
            desk.bar_sources,
            sessions,
            latest_closed=desk.latest_closed(),
            derived=JUDGED,
            carried=(*JUDGED, "adjusted_bars"),
        )

    if not graph.settings.index_codes:
        return [instruments, raw_bars]

    @session_asset(graph, stage="market_data", retry_policy=INGEST_RETRIES)
    def index_members(desk: Any, sessions: list[date]) -> StepReport:
        """Members of the configured indices, as their provider shows them on the session."""
        from tradegraph_dagster.domain.market_data.index_members import ingest_index_members

        return ingest_index_members(
            desk.workspace,
            desk.index_sources,
            desk.settings.index_codes,
            sessions,
            latest_closed=desk.latest_closed(),
        )

    return [instruments, raw_bars, index_members]
