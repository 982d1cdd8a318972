"""The risk decision, the orders it leads to, and their fills."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import trading_asset
from tradegraph_dagster.domain.core.frame_store import Written

# Order-submitting steps of all markets run one after another, whatever starts them.
ORDER_POOL = "order_submission"


def order_assets(graph: MarketGraph) -> list[Any]:
    """The trading of one market."""

    @trading_asset(
        graph,
        stage="risk",
        pool=ORDER_POOL,
        deps=[
            *(
                graph.window(noun, -1, -1)
                for noun in ("target_weights", "universe", "features", "forecasts")
            ),
            graph.window("adjusted_bars", -2, -1),
            graph.window("validated_bars", -2, -1),
            *graph.same("corporate_actions"),
        ],
    )
    def risk_decision(desk: Any, session: date) -> Written:
        """What may be traded, line by line; persisted with its intents before any order exists."""
        from tradegraph_dagster.domain.orders.step import decide_session

        return decide_session(
            desk.workspace,
            session=session,
            books=desk.books,
            strategy=desk.settings.strategy.name,
            execution=desk.settings.execution.build(),
            rules=desk.settings.risk,
        )

    @trading_asset(
        graph,
        stage="orders",
        pool=ORDER_POOL,
        deps=[*graph.same("risk_decision"), graph.window("orders", -1, -1)],
    )
    def orders(desk: Any, session: date) -> Written:
        """The decision's orders, sent once; the kill switch is read right before each."""
        from tradegraph_dagster.domain.orders.step import submit_session

        desk.require_armed()
        desk.require_sendable(session)
        return submit_session(desk.workspace, session=session, books=desk.books, broker=desk.broker)

    @trading_asset(
        graph, stage="orders", deps=graph.same("orders", "adjusted_bars", "corporate_actions")
    )
    def fills(desk: Any, session: date) -> Written:
        """Executions of the closed session, dividends and bonus shares, booked into the ledger."""
        from tradegraph_dagster.domain.orders.step import collect_executions

        return collect_executions(
            desk.workspace, session=session, books=desk.books, broker=desk.broker
        )

    return [risk_decision, orders, fills]
