"""What the broker shows only after a session was collected."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from tests.support.ledgers import NOW, make_booking
from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import PlainMarket
from tests.support.stated_broker import StatedBroker
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.core.errors import NotReconciled
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.step import (
    LATE_SESSIONS,
    book_late_executions,
    collect_executions,
)
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.domain.reconciliation.startup import require_startup
from tradegraph_dagster.domain.reconciliation.step import reconcile_session

SESSIONS = weekdays(LATE_SESSIONS + 2)


@dataclass
class Settlement:
    """One market whose days are collected and compared, and a broker that knows them."""

    ws: Workspace
    books: TradingBooks
    broker: StatedBroker = field(default_factory=StatedBroker)

    def settle(self, number: int) -> tuple[Written, int]:
        """What collecting a session wrote, and the breaks that are left."""
        self.broker.cash = sum((one.cash for one in self.broker.bookings), ZERO)
        sides: dict[str, Any] = {"books": self.books, "broker": self.broker}
        day = SESSIONS[number]
        written = collect_executions(self.ws, session=day, **sides)
        reconcile_session(self.ws, session=day, **sides)
        return written, self.ws.store.read(BREAKS, [day]).height

    def say(self, number: int, name: str, kind: str, cash: str) -> None:
        """Have the broker know a booking of a session from now on."""
        self.broker.bookings.append(
            make_booking(
                "plain", name=name, kind=kind, cash=Decimal(cash), session=SESSIONS[number]
            )
        )


@pytest.fixture
def world() -> Settlement:
    store = MemoryFrameStore()
    bars = make_adjusted_bars(SESSIONS)
    for (day,), part in bars.partition_by("session", as_dict=True).items():
        store.write(ADJUSTED_BARS, day, part)
        store.write(VALIDATED_BARS, day, part)
    found = Settlement(
        Workspace(PlainMarket(), store, SESSIONS[0]),
        memory_books(market="plain", clock=FixedClock(NOW)),
    )
    found.say(0, "b1", "deposit", "1000000")
    return found


def test_a_fee_of_an_earlier_session_is_booked_there_and_cash_agrees(world: Settlement) -> None:
    world.settle(0)
    world.settle(1)
    world.say(1, "b2", "fee", "-1.25")
    world.say(0, "b3", "dividend", "7.50")
    written, breaks = world.settle(2)
    assert breaks == 0
    assert written.facts["new_executions"] == 2
    assert written.facts["bookings"] == 0
    booked = {one.booking_id: one.session for one in world.books.executions.bookings(SESSIONS[2])}
    assert booked == {"b1": SESSIONS[0], "b2": SESSIONS[1], "b3": SESSIONS[0]}
    again, _ = world.settle(2)
    assert again.facts["new_executions"] == 0


def test_what_comes_later_still_is_a_break(world: Settlement) -> None:
    for number in range(LATE_SESSIONS + 1):
        world.settle(number)
    world.say(0, "b2", "fee", "-1.25")
    written, breaks = world.settle(LATE_SESSIONS + 1)
    assert (written.facts["new_executions"], breaks) == (0, 1)


def test_sessions_that_were_never_collected_are_not_asked_for(world: Settlement) -> None:
    world.say(0, "b2", "fee", "-1.25")
    written, _ = world.settle(1)
    assert written.facts["new_executions"] == 0


def test_a_fee_that_comes_overnight_does_not_hold_up_the_next_orders(world: Settlement) -> None:
    world.settle(0)
    world.say(0, "b2", "fee", "-1.25")
    world.broker.cash -= Decimal("1.25")
    sides: dict[str, Any] = {"books": world.books, "broker": world.broker}
    with pytest.raises(NotReconciled):
        require_startup(world.ws, session=SESSIONS[1], **sides)
    assert book_late_executions(world.ws, session=SESSIONS[1], **sides) == 1
    require_startup(world.ws, session=SESSIONS[1], **sides)
    assert book_late_executions(world.ws, session=SESSIONS[1], **sides) == 0
