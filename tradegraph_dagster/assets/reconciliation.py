"""Positions, and where the ledger and the broker differ."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import trading_asset
from tradegraph_dagster.domain.core.frame_store import Written


def reconciliation_assets(graph: MarketGraph) -> list[Any]:
    """The reconciliation of one market."""

    @trading_asset(
        graph,
        "positions",
        "breaks",
        stage="reconciliation",
        deps=graph.same("fills", "adjusted_bars", "validated_bars"),
    )
    def positions(desk: Any, session: date) -> tuple[Written, Written]:
        """Holdings folded from fills, compared with the broker's statement; breaks are named."""
        from tradegraph_dagster.domain.reconciliation.step import reconcile_session

        return reconcile_session(
            desk.workspace, session=session, books=desk.books, broker=desk.broker
        )

    return [positions]
