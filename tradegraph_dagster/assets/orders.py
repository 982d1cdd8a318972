"""The risk decision, the orders it leads to, and their fills."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import trading_asset
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.orders.gate_inputs import RETURN_SESSIONS

# Order-submitting steps of all markets run one after another, whatever starts them.
ORDER_POOL = "order_submission"


def order_assets(graph: MarketGraph) -> list[Any]:
    """The trading of one market."""

    @trading_asset(
        graph,
        "risk_decision",
        "gate_results",
        stage="risk",
        pool=ORDER_POOL,
        deps=[
            *(
                graph.window(noun, -1, -1)
                for noun in ("target_weights", "universe", "features", "forecasts", "instruments")
            ),
            graph.window("adjusted_bars", -RETURN_SESSIONS - 1, -1),
            graph.window("validated_bars", -2, -1),
            graph.window("drift_report", -1, -1),
            *graph.same("corporate_actions"),
        ],
    )
    def risk_decision(desk: Any, session: date) -> tuple[Written, Written]:
        """What may be traded and every gate's word; persisted before any order exists."""
        from tradegraph_dagster.domain.orders.step import decide_session
        from tradegraph_dagster.resources.order_desk import decision_plan, surroundings

        return decide_session(
            desk.workspace,
            session=session,
            books=desk.books,
            plan=decision_plan(desk),
            around=surroundings(desk, session),
        )

    @trading_asset(
        graph,
        stage="orders",
        pool=ORDER_POOL,
        deps=[*graph.same("risk_decision", "corporate_actions"), graph.window("orders", -1, -1)],
    )
    def orders(desk: Any, session: date) -> Written:
        """The decision's orders, each sent once; what an earlier run left open is found first."""
        from tradegraph_dagster.domain.orders.step import book_late_executions, submit_session
        from tradegraph_dagster.domain.reconciliation.startup import require_startup
        from tradegraph_dagster.resources.order_desk import sending_deadline, submission_ports

        desk.require_armed()
        ports, ws = submission_ports(desk), desk.workspace
        book_late_executions(ws, session=session, books=ports.books, broker=ports.broker)
        require_startup(ws, session=session, books=ports.books, broker=ports.broker)
        return submit_session(
            ws,
            session=session,
            ports=ports,
            policy=desk.settings.submission_policy,
            deadline=sending_deadline(desk, session),
        )

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
