"""The kill switch, looked at by every broker right before a call that sends an order."""

from __future__ import annotations

from tradegraph_dagster.domain.core.errors import StoreError, TradingHalted
from tradegraph_dagster.domain.orders.ports import KillSwitch
from tradegraph_dagster.domain.orders.schema import OrderIntent


def halt_reason(kill_switch: KillSwitch) -> str | None:
    """Why nothing may be sent: the kill switch is engaged, or cannot be read; None otherwise."""
    try:
        reason = kill_switch.engaged()
    except StoreError as error:
        return f"the kill switch cannot be read: {error}"
    return None if reason is None else f"the kill switch is engaged: {reason}"


def require_trading(kill_switch: KillSwitch, intent: OrderIntent) -> None:
    """Refuse to send while the kill switch is engaged; one that cannot be read counts as engaged.

    Raises:
        TradingHalted: It is; nothing was sent.
    """
    reason = halt_reason(kill_switch)
    if reason is not None:
        raise TradingHalted(
            f"{reason}; nothing was sent",
            table="orders",
            session=intent.session,
            symbol=intent.symbol,
        )
