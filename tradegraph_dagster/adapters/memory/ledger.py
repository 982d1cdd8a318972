"""The books of a market in memory: for tests, notebooks, examples and simulations.

They keep the same promises as a stored ledger but no audit chain, and forget with the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import InvariantBroken, TradingHalted
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    Booking,
    Fill,
    OrderIntent,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.risk.schema import RiskDecision

REQUEST_LIFETIME = timedelta(minutes=10)
SYSTEM = "system"


def memory_books(*, market: str, clock: Clock) -> TradingBooks:
    """Empty books of a market.

    Args:
        market: Decisions and executions of any other are refused.
        clock: Ages the requests to reset the kill switch.
    """
    orders: dict[str, OrderRecord] = {}
    return TradingBooks(
        decisions=MemoryDecisionBook(market, orders),
        orders=MemoryOrderBook(orders),
        executions=MemoryFillBook(market, orders),
        kill_switch=MemoryKillSwitch(clock),
        reconciliations=MemoryReconciliationBook(),
    )


class MemoryDecisionBook:
    """A DecisionBook that shares its orders with the OrderBook."""

    def __init__(self, market: str, orders: dict[str, OrderRecord]) -> None:
        self._market = market
        self._orders = orders
        self._decisions: dict[str, RiskDecision] = {}

    def record_decision(
        self, decision: RiskDecision, intents: Sequence[OrderIntent]
    ) -> RiskDecision:
        """Keep a decision with its intents; one that is kept already is returned instead."""
        expected = (self._market, decision.decision_id, decision.session)
        offered: list[RiskDecision | OrderIntent] = [decision, *intents]
        for one in offered:
            if (one.market, one.decision_id, one.session) != expected:
                raise InvariantBroken(f"expected {expected}, found {one}", session=decision.session)
        stored = self._decisions.get(decision.decision_id)
        if stored is not None:
            return stored
        repeated = [one.client_order_id for one in intents if one.client_order_id in self._orders]
        if repeated:
            raise InvariantBroken(f"order {repeated[0]} exists already", session=decision.session)
        self._decisions[decision.decision_id] = decision
        for intent in intents:
            self._orders[intent.client_order_id] = OrderRecord(intent, OrderStatus.INTENT)
        return decision

    def decision(self, decision_id: str) -> RiskDecision | None:
        """A kept decision."""
        return self._decisions.get(decision_id)


class MemoryOrderBook:
    """An OrderBook."""

    def __init__(self, orders: dict[str, OrderRecord]) -> None:
        self._orders = orders

    def orders(self, session: date) -> Sequence[OrderRecord]:
        """Orders of a session, by client order id."""
        found = [record for record in self._orders.values() if record.intent.session == session]
        return sorted(found, key=lambda record: record.intent.client_order_id)

    def advance(
        self,
        client_order_id: str,
        expected: OrderStatus,
        status: OrderStatus,
        *,
        broker_order_id: str = "",
        reason: str = "",
    ) -> bool:
        """Compare and set; a broker's id that is known stays when none is given."""
        record = self._orders.get(client_order_id)
        if record is None or record.status is not expected:
            return False
        self._orders[client_order_id] = replace(
            record,
            status=status,
            broker_order_id=broker_order_id or record.broker_order_id,
            reason=reason,
        )
        return True


class MemoryFillBook:
    """A FillBook that raises the filled quantities of the OrderBook's orders."""

    def __init__(self, market: str, orders: dict[str, OrderRecord]) -> None:
        self._market = market
        self._orders = orders
        self._fills: dict[tuple[str, str], Fill] = {}
        self._bookings: dict[tuple[str, str], Booking] = {}

    def record_executions(self, fills: Sequence[Fill], bookings: Sequence[Booking]) -> int:
        """Keep what is new, all or nothing, and return how many were new."""
        offered: list[Fill | Booking] = [*fills, *bookings]
        for execution in offered:
            if execution.market != self._market:
                raise InvariantBroken(f"these books hold {self._market}, found {execution}")
        all_fills, all_bookings = dict(self._fills), dict(self._bookings)
        for fill in fills:
            _check_same(fill, all_fills.setdefault((fill.broker, fill.execution_id), fill))
        for booking in bookings:
            _check_same(
                booking, all_bookings.setdefault((booking.broker, booking.booking_id), booking)
            )
        new_fills = [fill for name, fill in all_fills.items() if name not in self._fills]
        new = len(new_fills) + len(all_bookings) - len(self._bookings)
        self._fills, self._bookings = all_fills, all_bookings
        for fill in new_fills:
            record = self._orders.get(fill.client_order_id)
            if record is not None:
                filled = record.filled_shares + fill.quantity_shares
                self._orders[fill.client_order_id] = replace(record, filled_shares=filled)
        return new

    def fills(self, through: date) -> Sequence[Fill]:
        """Fills of sessions up to `through`, in order of booking."""
        return [fill for fill in self._fills.values() if fill.session <= through]

    def bookings(self, through: date) -> Sequence[Booking]:
        """Bookings of sessions up to `through`, in order of booking."""
        return [booking for booking in self._bookings.values() if booking.session <= through]


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """The first person's wish to reset."""

    actor: str
    made_at: datetime


class MemoryKillSwitch:
    """A KillSwitch: anyone engages it, two people reset it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reason: str | None = None
        self._request: ResetRequest | None = None

    def engaged(self) -> str | None:
        """The reason while engaged."""
        return self._reason

    def engage(self, *, reason: str, actor: str) -> None:
        """Stop trading; the first reason stays, and a reset that was asked for is void."""
        self._reason = reason if self._reason is None else self._reason
        self._request = None

    def reset(self, *, reason: str, actor: str) -> None:
        """Ask for a reset, or confirm the one that another person asked for."""
        if self._reason is None:
            return
        person = _person(actor)
        if person in ("", SYSTEM) or not reason.strip():
            raise TradingHalted(
                f"a reset needs a person and a reason, found actor {actor!r}, reason {reason!r}"
            )
        asked, now = self._request, self._clock.now()
        if asked is None or now - asked.made_at > REQUEST_LIFETIME:
            asked = self._request = ResetRequest(actor, now)
        if _person(asked.actor) == person:
            raise TradingHalted(
                f"the kill switch stays engaged ({self._reason}): {asked.actor} asked for the "
                f"reset, anyone but {asked.actor} may confirm it within {REQUEST_LIFETIME}"
            )
        self._reason = self._request = None


class MemoryReconciliationBook:
    """A ReconciliationBook."""

    def __init__(self) -> None:
        self._breaks: dict[date, int] = {}

    def record_reconciliation(self, session: date, *, breaks: int, fingerprint: str) -> None:
        """Keep a session's outcome."""
        self._breaks[session] = breaks

    def latest(self) -> tuple[date, int] | None:
        """Newest session that was compared, and its number of breaks."""
        return max(self._breaks.items(), default=None)


def _person(actor: str) -> str:
    return actor.strip().casefold()


def _check_same(offered: Fill | Booking, stored: Fill | Booking) -> None:
    if offered != stored:
        raise InvariantBroken(
            f"expected {stored}, found {offered} under the same id; nothing was stored, ask the "
            "broker which one holds",
            session=offered.session,
            symbol=offered.symbol,
        )
