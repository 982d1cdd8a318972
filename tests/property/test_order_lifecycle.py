"""Any sequence of sending, answers, fills and deaths keeps what must hold of orders and positions.

The broker's book and the list of what was delivered are the model; the ledger is held against them
after every step. At the end everything is recovered: no order is doubled, lost or still open.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.book_places import book_place
from tests.support.dying import Fuse, Fused, ProcessDiedError, fused_books
from tests.support.ledgers import SESSION, make_order, record_orders
from tests.support.model_broker import FAULTS, ModelBroker
from tradegraph_dagster.adapters.memory.stopwatch import MemoryStopwatch
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    OrderStateUnknown,
    TradingHalted,
)
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.cancellation import cancel_open
from tradegraph_dagster.domain.orders.closing import close_orders
from tradegraph_dagster.domain.orders.order_machine import NEVER_SEEN, RANK
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    EventSource,
    Fill,
    IncidentKind,
    OrderEvent,
    OrderRecord,
    OrderStatus,
)
from tradegraph_dagster.domain.orders.sending import (
    SubmissionPolicy,
    SubmissionPorts,
    answer_to_event,
)
from tradegraph_dagster.domain.orders.submission import TO_RECOVER, submit_orders

S = OrderStatus
SYMBOLS = ("600000.SH", "000001.SZ", "300750.SZ")
MARK = Decimal("12.34")
BACK = {(S.PENDING_CANCEL, S.ACKED), (S.PENDING_CANCEL, S.PARTIAL)}

numbers = st.integers(0, 30)
fuses = st.none() | st.integers(0, 40)


class OrderLifecycle(RuleBasedStateMachine):
    """Three orders: two buys and a sale of the same name, and one of another."""

    store: ClassVar[str] = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="lifecycle-"))
        place = self.open.enter_context(book_place(self.store, self.folder))
        self.books, self.clock = place.books, place.clock
        self.broker = ModelBroker(self.clock, self._require_recorded)
        self.runs = 0
        self.delivered: dict[str, Fill] = {}
        self.heard: list[OrderEvent] = []
        self.seen: dict[str, OrderStatus] = {}
        self.said: dict[str, int] = {}
        record_orders(
            self.books,
            place.market,
            make_order(name="tg1-a", symbol=SYMBOLS[0], quantity_shares=300),
            make_order(name="tg1-b", symbol=SYMBOLS[1], quantity_shares=200, side=Side.SELL),
            make_order(name="tg1-c", symbol=SYMBOLS[2], quantity_shares=100),
        )

    def teardown(self) -> None:
        try:
            self._recover_all()
        finally:
            self.open.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # What the process does.

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), max_size=4),
        steps=fuses,
        patience=st.sampled_from([0, 30, 90]),
    )
    def submit(self, faults: list[str], steps: int | None, patience: float) -> None:
        self.broker.faults = list(faults)
        self._as_a_process(
            steps, lambda books, broker: self._submit(books, broker, patience=patience)
        )
        self.broker.faults = []

    @rule(
        ways=st.lists(st.sampled_from(["canceled", "pending", "refused", "unavailable"])),
        steps=fuses,
    )
    def cancel(self, ways: list[str], steps: int | None) -> None:
        self.broker.cancels = list(ways)
        self._as_a_process(
            steps,
            lambda books, broker: cancel_open(books, broker, session=SESSION, reason="drill"),
        )
        self.broker.cancels = []

    @rule(steps=fuses)
    def reconcile(self, steps: int | None) -> None:
        def run(books: TradingBooks, broker: ModelBroker) -> None:
            for record in books.orders.orders(SESSION):
                known = broker.order(record.intent.client_order_id)
                if known is not None and not record.status.is_terminal:
                    books.orders.apply(answer_to_event(known, EventSource.RECONCILIATION))
            fills, _ = broker.executions(SESSION)
            books.executions.record_executions(fills, [])
            self.delivered.update((fill.execution_id, fill) for fill in fills)

        with suppress(ProcessDiedError):
            fuse = Fuse(steps)
            run(fused_books(self.books, fuse), self.broker)
        self._take_stock()

    @rule(seconds=st.sampled_from([1, 4, 6, 40]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    # What the broker does.

    @precondition(lambda self: self.broker.book)
    @rule(number=numbers, shares=st.integers(1, 400), cents=st.integers(1, 5_000))
    def fill(self, number: int, shares: int, cents: int) -> None:
        """A part, the rest, more than the rest, or late: whatever the order's state."""
        self.broker.fill(self._pick(list(self.broker.book), number), shares, cents)

    @precondition(lambda self: self.broker.book)
    @rule(number=numbers, cents=st.integers(1, 5_000))
    def fill_the_rest(self, number: int, cents: int) -> None:
        name = self._pick(list(self.broker.book), number)
        order = self.broker.book[name].order
        if order.filled_shares < order.quantity_shares:
            self.broker.fill(name, order.quantity_shares - order.filled_shares, cents)

    @precondition(lambda self: self.broker.fills)
    @rule(number=numbers)
    def bust(self, number: int) -> None:
        self.broker.bust(self._pick(self.broker.fills, number))

    @precondition(lambda self: self.broker.book)
    @rule(number=numbers, status=st.sampled_from([S.REJECTED, S.CANCELED, S.EXPIRED]))
    def end(self, number: int, status: OrderStatus) -> None:
        self.broker.end(self._pick(list(self.broker.book), number), status)

    # What is heard of it, in whatever order and however often.

    @precondition(lambda self: self.broker.book)
    @rule(number=numbers)
    def hear(self, number: int) -> None:
        order = self.broker.book[self._pick(list(self.broker.book), number)].order
        event = answer_to_event(order, EventSource.STREAM)
        self.heard.append(event)
        self.books.orders.apply(event)

    @precondition(lambda self: self.heard)
    @rule(number=numbers)
    def hear_again(self, number: int) -> None:
        event = self._pick(self.heard, number)
        before = self._record(event.client_order_id)
        move = self.books.orders.apply(event)
        if move.refusal:
            assert self._record(event.client_order_id) == before
        stored = len(self.books.events.events(event.client_order_id))
        self.books.orders.apply(event)
        assert len(self.books.events.events(event.client_order_id)) == stored

    @precondition(lambda self: self.broker.fills)
    @rule(wanted=st.lists(numbers, min_size=1, max_size=4))
    def deliver(self, wanted: list[int]) -> None:
        fills = [self._pick(self.broker.fills, number) for number in wanted]
        # A bust that comes before its trade is an incident of its own; see the unit tests.
        fills = [fill for fill in fills if not fill.busts or fill.busts in self.delivered]
        booked = self.books.executions.record_executions(fills, [])
        new = {fill.execution_id for fill in fills} - self.delivered.keys()
        assert (booked.new, booked.repeated) == (len(new), len(fills) - len(new))
        self.delivered.update((fill.execution_id, fill) for fill in fills)

    @precondition(lambda self: self.delivered)
    @rule(number=numbers)
    def conflict(self, number: int) -> None:
        known = self._pick(sorted(self.delivered), number)
        other = replace(self.delivered[known], price=self.delivered[known].price + 1)
        booked = self.books.executions.record_executions([other], [])
        assert booked.new == 0
        kinds = {one.kind for one in self.books.incidents.open_incidents()}
        assert IncidentKind.FILL_CONFLICT in kinds

    # What must hold after every step.

    @invariant()
    def nothing_reaches_the_broker_twice(self) -> None:
        assert self.broker.repeated == []
        assert len({one.order.broker_order_id for one in self.broker.book.values()}) == len(
            self.broker.book
        )

    @invariant()
    def filled_shares_are_the_fills_in_force(self) -> None:
        totals = self._totals()
        for record in self._records():
            name, wanted = record.intent.client_order_id, record.intent.quantity_shares
            assert record.filled_shares == totals.get(name, 0)
            if record.filled_shares >= wanted:
                assert record.status is S.FILLED
        overfilled = [
            name
            for name, total in totals.items()
            if total > self._record(name).intent.quantity_shares
        ]
        if overfilled:
            kinds = [one.kind for one in self.books.incidents.open_incidents()]
            assert IncidentKind.OVERFILL in kinds

    @invariant()
    def a_status_moves_by_the_table_only(self) -> None:
        for record in self._records():
            name = record.intent.client_order_id
            before = self.seen.get(name, S.INTENT)
            if before.is_terminal:
                assert record.status in (before, S.FILLED)
            elif (before, record.status) not in BACK:
                assert RANK[record.status] >= RANK[before] or before is S.PENDING_CANCEL
            self.seen[name] = record.status
            count = len(self.books.events.events(name))
            assert count >= self.said.get(name, 0)
            self.said[name] = count

    @invariant()
    def open_orders_and_no_others_bind_cash(self) -> None:
        bound = self.books.decisions.commitments(SESSION)
        working = {record.intent.client_order_id for record in bound.working}
        assert working == {
            record.intent.client_order_id
            for record in self._records()
            if not record.status.is_terminal
        }
        assert set(bound.reserved_cash) <= working
        assert all(cash >= 0 for cash in bound.reserved_cash.values())

    @invariant()
    def positions_and_cash_are_folds_over_the_fills(self) -> None:
        fills = self.books.executions.fills(SESSION)
        assert {fill.execution_id: fill for fill in fills} == self.delivered
        book = executions_to_book(fills, [], session=SESSION, unsellable_sessions=1)
        in_force = self._in_force()
        signed = [
            (fill, fill.quantity_shares if fill.side is Side.BUY else -fill.quantity_shares)
            for fill in in_force
        ]
        held: dict[str, int] = {}
        for fill, shares in signed:
            held[fill.symbol] = held.get(fill.symbol, 0) + shares
        assert {name: one.quantity_shares for name, one in book.positions.items()} == held
        fees = sum((fill.fee for fill in in_force), Decimal(0))
        assert book.fees == fees
        assert (
            book.cash == -sum((shares * fill.price for fill, shares in signed), Decimal(0)) - fees
        )
        equity = book.cash + sum(held.values()) * MARK
        result = sum(
            (
                one.realised_pnl + one.quantity_shares * (MARK - one.average_cost)
                for one in book.positions.values()
            ),
            Decimal(0),
        )
        assert abs(equity - (result - book.fees)) < Decimal("1e-6")
        for one in book.positions.values():
            assert 0 <= one.sellable_shares <= max(one.quantity_shares, 0)

    # The pieces.

    def _recover_all(self) -> None:
        """The broker's word reaches the ledger, the session closes, and nothing is open or lost."""
        self.clock.advance(timedelta(minutes=2))
        self._submit(self.books, self.broker, patience=300)
        fills, _ = self.broker.executions(SESSION)
        self.books.executions.record_executions(fills, [])
        self.delivered = {fill.execution_id: fill for fill in fills}
        close_orders(self.books, self.broker, SESSION)
        written = [len(self.books.events.events(name)) for name in self.seen]
        assert close_orders(self.books, self.broker, SESSION) == 0
        assert [len(self.books.events.events(name)) for name in self.seen] == written
        for record in self._records():
            name = record.intent.client_order_id
            assert record.status.is_terminal
            if name in self.broker.book:
                assert not record.reason.endswith(NEVER_SEEN)
                assert record.status is not S.DENIED
            else:
                assert record.status in (S.REJECTED, S.DENIED, S.EXPIRED)
        self.nothing_reaches_the_broker_twice()
        self.filled_shares_are_the_fills_in_force()
        self.positions_and_cash_are_folds_over_the_fills()
        assert self.books.decisions.commitments(SESSION).working == ()

    def _as_a_process(
        self, steps: int | None, act: Callable[[TradingBooks, ModelBroker], object]
    ) -> None:
        """Nothing but the ledger and the broker outlives it."""
        fuse = Fuse(steps)
        with suppress(ProcessDiedError):
            act(fused_books(self.books, fuse), Fused(self.broker, fuse))  # type: ignore[arg-type]

    def _submit(self, books: TradingBooks, broker: ModelBroker, *, patience: float) -> None:
        self.runs += 1
        ports = SubmissionPorts(
            books, broker, self.clock, MemoryStopwatch(self.clock), f"run-{self.runs}"
        )
        policy = SubmissionPolicy(patience_seconds=patience)
        outcome = submit_orders(books.orders.orders(SESSION), ports, policy, deadline=None)
        if isinstance(outcome.cause, TradingHalted):
            standing = self.books.incidents.open_incidents()
            is_blocked = any(one.blocks for one in standing)
            assert is_blocked or self.books.kill_switch.engaged() is not None
            return
        assert outcome.cause is None or isinstance(
            outcome.cause, OrderStateUnknown | BrokerUnavailable
        )

    def _take_stock(self) -> None:
        """What a run that died may have booked."""
        stored = {fill.execution_id: fill for fill in self.books.executions.fills(SESSION)}
        self.delivered = {
            name: fill for name, fill in self.delivered.items() if name in stored
        } | stored

    def _require_recorded(self, name: str) -> None:
        """Nothing arrives that the ledger does not know to be on its way."""
        assert self._record(name).status in TO_RECOVER

    def _totals(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for fill in self._in_force():
            totals[fill.client_order_id] = (
                totals.get(fill.client_order_id, 0) + fill.quantity_shares
            )
        return totals

    def _in_force(self) -> list[Fill]:
        busted = {fill.busts for fill in self.delivered.values() if fill.busts}
        return [
            fill
            for fill in self.delivered.values()
            if not fill.busts and fill.execution_id not in busted
        ]

    def _records(self) -> list[OrderRecord]:
        return list(self.books.orders.orders(SESSION))

    def _record(self, name: str) -> OrderRecord:
        found = self.books.orders.order(name)
        assert found is not None
        return found

    @staticmethod
    def _pick(things: list, number: int):
        return things[number % len(things)]


class SqliteOrderLifecycle(OrderLifecycle):
    """The same on the ledger that is shipped."""

    store = "sqlite"


CALM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

TestOrderLifecycle = OrderLifecycle.TestCase
TestOrderLifecycle.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=CALM
)
TestSqliteOrderLifecycle = SqliteOrderLifecycle.TestCase
TestSqliteOrderLifecycle.settings = settings(
    max_examples=5, stateful_step_count=30, deadline=None, suppress_health_check=CALM
)


@pytest.mark.slow
class TestManyOrderLifecycles(OrderLifecycle.TestCase):
    settings = settings(
        max_examples=1_000, stateful_step_count=50, deadline=None, suppress_health_check=CALM
    )


@pytest.mark.slow
class TestManySqliteOrderLifecycles(SqliteOrderLifecycle.TestCase):
    settings = settings(
        max_examples=50, stateful_step_count=50, deadline=None, suppress_health_check=CALM
    )
