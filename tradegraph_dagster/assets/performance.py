"""Daily profit and loss, of the account and by strategy and symbol."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import trading_asset
from tradegraph_dagster.domain.core.frame_store import Written


def performance_assets(graph: MarketGraph) -> list[Any]:
    """The profit and loss of one market."""

    @trading_asset(
        graph,
        "daily_pnl",
        "strategy_pnl",
        stage="performance",
        deps=[
            *graph.same("positions", "fills", "adjusted_bars"),
            graph.window("universe", -1, -1),
            graph.window("daily_pnl", -1, -1),
        ],
    )
    def daily_pnl(desk: Any, session: date) -> tuple[Written, Written]:
        """Equity, profit, fees, exposure and drawdown; the same by strategy and symbol."""
        from tradegraph_dagster.adapters.report.metadata import with_equity_plot
        from tradegraph_dagster.domain.performance.step import measure_session

        account, lines = measure_session(desk.workspace, session=session, books=desk.books)
        return with_equity_plot(desk.workspace.store, account, market=graph.name), lines

    return [daily_pnl]
