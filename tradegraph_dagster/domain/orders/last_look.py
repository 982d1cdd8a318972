"""What every broker looks at right before a call that sends an order."""

from __future__ import annotations

from tradegraph_dagster.domain.core.errors import StoreError, TradingHalted
from tradegraph_dagster.domain.orders.ports import KillSwitch
from tradegraph_dagster.domain.orders.schema import OrderIntent


def require_trading(kill_switch: KillSwitch, intent: OrderIntent) -> None:
    """Refuse to send while the kill switch is engaged; one that cannot be read counts as engaged.

    Raises:
        TradingHalted: It is; nothing was sent.
    """
    try:
        reason = kill_switch.engaged()
    except StoreError as error:
        reason = f"the kill switch cannot be read: {error}"
    if reason is not None:
        raise TradingHalted(
            f"{reason}; nothing was sent",
            table="orders",
            session=intent.session,
            symbol=intent.symbol,
        )
