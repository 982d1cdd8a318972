"""The end-of-session checkpoint of the audit chain."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets._partitioned import trading_asset
from tradegraph_dagster.domain.core.frame_store import Written

# A test compares it with the graph, and says why a table is left out.
SEALED = (
    "instruments",
    "raw_bars",
    "vendor_findings",
    "corporate_actions",
    "adjusted_bars",
    "bar_findings",
    "validated_bars",
    "universe",
    "features",
    "forecasts",
    "target_weights",
    "risk_decision",
    "gate_results",
    "orders",
    "fills",
    "positions",
    "breaks",
    "daily_pnl",
    "strategy_pnl",
    "drift_report",
)


def audit_assets(graph: MarketGraph) -> list[Any]:
    """The audit checkpoint of one market."""

    @trading_asset(graph, stage="audit", deps=graph.same("daily_pnl", "drift_report"))
    def audit_checkpoint(desk: Any, session: date) -> Written:
        """Head of the chain, signed, over the fingerprints of everything the session made.

        It is also written down outside the ledger.
        """
        from tradegraph_dagster.domain.audit.step import checkpoint_session
        from tradegraph_dagster.resources.chains import access_chain, market_chain

        keys = desk.deployment.audit_keys()
        written = checkpoint_session(
            desk.workspace, session=session, audit=desk.audit, keys=keys, tables=SEALED
        )
        for chain in (market_chain(desk), access_chain(desk)):
            chain.publish()
        return written

    return [audit_checkpoint]
