"""Where a market stands."""

from __future__ import annotations

from datetime import date
from typing import Any

from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.registry.history import champion_at, champion_history
from tradegraph_dagster.resources.desk import MarketDesk


def market_status(desk: MarketDesk) -> dict[str, Any]:
    """One row of `tradegraph status`."""
    store = desk.workspace.store
    closed = desk.latest_closed()
    reconciled = desk.books.reconciliations.latest()
    settled = max(store.partitions(DAILY_PNL.name), default=None)
    equity = store.read(DAILY_PNL, [settled])["equity"][0] if settled else None
    return {
        "latest_closed": str(closed),
        "validated_bars": _newest(desk, "validated_bars"),
        "features": _newest(desk, "features"),
        "target_weights": _newest(desk, "target_weights"),
        "champion": _champion(desk, closed),
        "orders": _newest(desk, "orders"),
        "reconciled": f"{reconciled[0]}, {reconciled[1]} breaks" if reconciled else "never",
        "equity": f"{equity:,.2f} {desk.market.currency}" if equity is not None else "none",
        "kill_switch": desk.books.kill_switch.engaged() or "off",
    }


def _champion(desk: MarketDesk, closed: date) -> str:
    """Its version; where there is none, why the newest candidate did not become it."""
    history = champion_history(desk.workspace)
    version = champion_at(history, closed)
    if version is None and not history.is_empty():
        return f"none: {history['reason'][-1]}"
    return version or "none"


def _newest(desk: MarketDesk, table: str) -> str:
    newest: date | None = max(desk.workspace.store.partitions(table), default=None)
    return str(newest) if newest else "none"
