"""The door to a live venue: what must hold before it is asked, and before it gets an order.

Nothing here sends anything before the lock, the environment and the books have been looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tradegraph_dagster.domain.access.live_lock import (
    LiveFacts,
    contact_refusal,
    sending_refusal,
    trading_refusal,
)
from tradegraph_dagster.domain.access.ports import LiveLockBook
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import StoreError, TradingHalted
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import TradingMode, Venue


@dataclass(frozen=True)
class LiveDoor:
    """The door of one market.

    Attributes:
        mode: How far its orders go.
        is_enabled: Whether this machine may send live orders.
        host: Where its broker is set up to go.
        books: Kill switch and reconciliations.
        lock: Who armed it, for what, until when.
        clock: For whether the arming has lapsed.
    """

    mode: TradingMode
    is_enabled: bool
    host: str
    books: TradingBooks
    lock: LiveLockBook
    clock: Clock

    def contact(self) -> str:
        """Why a live venue may not be asked anything now; empty where it may."""
        try:
            return contact_refusal(self._facts(), now=self.clock.now())
        except StoreError as error:
            return f"the live lock cannot be read: {error}"

    def require_armed(self, venue: Callable[[], Venue]) -> None:
        """Refuse to send live orders unless every part of the lock is open.

        Args:
            venue: Asks the broker where orders would go; called once all else holds.

        Raises:
            TradingHalted: It is not open, or the venue is another one than was armed.
            StoreUnavailable: The lock cannot be read.
            BrokerUnavailable: The venue cannot say which account it is.
        """
        if self.mode is not TradingMode.LIVE:
            return
        facts, now = self._facts(), self.clock.now()
        refusal = trading_refusal(facts, now=now)
        if not refusal:
            found = venue()
            refusal = sending_refusal(facts.lease, host=found.host, account=found.account, now=now)
            if not found.is_live:
                refusal = f"{found.host or 'a broker in this process'} is no live venue"
        if refusal:
            raise TradingHalted(f"live trading is shut: {refusal}")

    def holds_back(self) -> str:
        """Why live orders are held back, where the mode sends any; empty where none are."""
        if self.mode is not TradingMode.LIVE:
            return ""
        return trading_refusal(self._facts(), now=self.clock.now())

    def row(self) -> dict[str, str]:
        """One column of `tradegraph live status`."""
        facts, shut = self._facts(), self.holds_back()
        held, orders = facts.lease, f"held back: {shut}" if shut else "may go out"
        if self.mode is not TradingMode.LIVE:
            orders = f"none: the mode is {self.mode}"
        return {
            "mode": self.mode.value,
            "enabled here": "yes" if facts.is_enabled else "no",
            "broker host": facts.host or "in this process",
            "armed for": f"account {held.account} at {held.host}" if held else "nothing",
            "armed by": held.armed_by if held else "nobody",
            "until": held.expires_at.isoformat(timespec="seconds") if held else "",
            "live orders": orders,
        }

    def _facts(self) -> LiveFacts:
        latest = self.books.reconciliations.latest()
        return LiveFacts(
            is_enabled=self.is_enabled,
            host=self.host,
            lease=self.lock.lease(),
            halted=self.books.kill_switch.engaged(),
            breaks=latest[1] if latest else None,
        )
