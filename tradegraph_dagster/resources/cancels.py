"""Canceling what still works at the broker of a desk, once the kill switch is engaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradegraph_dagster.domain.orders.cancellation import CancelReport, cancel_open, cancelable

if TYPE_CHECKING:
    from tradegraph_dagster.resources.desk import MarketDesk


def cancel_working(desk: MarketDesk, *, reason: str) -> CancelReport:
    """Ask the broker to cancel every working order; it is not opened where there is none.

    Raises:
        StoreUnavailable: The ledger cannot say which orders are working.
        ConfigError: The broker cannot be opened, such as for want of keys.
    """
    session = desk.latest_known()
    if not cancelable(desk.books, session):
        return CancelReport({}, (), {})
    return cancel_open(desk.books, desk.broker, session=session, reason=reason)
