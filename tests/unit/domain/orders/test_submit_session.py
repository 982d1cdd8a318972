"""Whatever dies wherever, every order of a decision reaches the broker once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.trading_world import SYMBOLS, World, make_world
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    InvariantBroken,
    MissingSession,
    OrderRefused,
    OrderStateUnknown,
    StoreUnavailable,
    TradingHalted,
)
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    ORDERS,
    BrokerOrder,
    OrderIntent,
    OrderStatus,
)
from tradegraph_dagster.domain.orders.step import collect_executions, submit_session


class ProcessDiedError(Exception):
    """What no code of ours catches."""


class DyingBroker:
    """Passes calls on, and raises before or after the call of one order."""

    name = "simulated"

    def __init__(self, world: World, at: int, window: str, error: Exception) -> None:
        self.world = world
        self.at = at
        self.window = window
        self.error = error
        self.sent: list[str] = []

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        self.sent.append(intent.client_order_id)
        is_it = len(self.sent) == self.at + 1
        if is_it and self.window == "before":
            raise self.error
        answer = self.world.broker.submit(intent)
        if is_it and self.window == "after":
            raise self.error
        return answer

    def order(self, client_order_id: str) -> BrokerOrder | None:
        return self.world.broker.order(client_order_id)

    def executions(self, session):
        return self.world.broker.executions(session)

    def statement(self, session):
        return self.world.broker.statement(session)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Four buys are decided for the second session."""
    opened = make_world(tmp_path)
    opened.settle(opened.sessions[0])
    opened.put_weights(opened.sessions[0], dict.fromkeys(SYMBOLS, 0.2))
    opened.decide(opened.sessions[1])
    return opened


def statuses(world: World) -> list[OrderStatus]:
    records = sorted(
        world.books.orders.orders(world.sessions[1]), key=lambda record: record.intent.symbol
    )
    return [record.status for record in records]


def count_at_broker(world: World) -> tuple[int, int]:
    """Orders the broker's own book holds, and shares it bought."""
    fills, _ = world.broker.executions(world.sessions[1])
    with world.broker._store.transaction() as books:
        orders = books.orders(world.sessions[1])
    return len(orders), sum(fill.quantity_shares for fill in fills)


def expected_shares(world: World) -> int:
    records = world.books.orders.orders(world.sessions[1])
    return sum(record.intent.quantity_shares for record in records)


def test_each_order_is_sent_once_and_a_rerun_writes_the_same_bytes(world: World) -> None:
    session = world.sessions[1]
    counting = DyingBroker(world, -1, "", ProcessDiedError())
    first = submit_session(world.ws, session=session, books=world.books, broker=counting)
    again = submit_session(world.ws, session=session, books=world.books, broker=counting)
    assert len(counting.sent) == 4
    assert first.fingerprint == again.fingerprint
    assert first.facts == {"acked": 4}
    world.settle(session)
    late = submit_session(world.ws, session=session, books=world.books, broker=counting)
    assert late.fingerprint == first.fingerprint
    assert len(counting.sent) == 4
    assert count_at_broker(world) == (4, expected_shares(world))


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("window", ["before", "after"])
@pytest.mark.parametrize(
    "error",
    [
        ProcessDiedError(),
        OrderStateUnknown("connection reset"),
        BrokerUnavailable("no route"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_death_in_any_window_neither_doubles_nor_loses_an_order(
    world: World, at: int, window: str, error: Exception
) -> None:
    dying = DyingBroker(world, at, window, error)
    with pytest.raises(type(error)):
        world.submit(world.sessions[1], dying)
    second = DyingBroker(world, -1, "", error)
    frame = world.submit(world.sessions[1], second)
    arrived = dying.sent if window == "after" else dying.sent[:-1]
    assert not set(second.sent) & set(arrived), "what had arrived was sent again"
    assert frame["status"].to_list() == ["acked"] * 4
    wanted = expected_shares(world)
    world.settle(world.sessions[1])
    assert count_at_broker(world) == (4, wanted)
    assert statuses(world) == [OrderStatus.FILLED] * 4


@pytest.mark.parametrize("at", range(8))
def test_a_death_around_any_ledger_write_neither_doubles_nor_loses(world: World, at: int) -> None:
    dying = _books_that_die(world.books, at)
    with pytest.raises(ProcessDiedError):
        submit_session(world.ws, session=world.sessions[1], books=dying, broker=world.broker)
    world.submit(world.sessions[1])
    wanted = expected_shares(world)
    world.settle(world.sessions[1])
    assert count_at_broker(world) == (4, wanted)


def _books_that_die(books: TradingBooks, at: int) -> TradingBooks:
    class DyingOrders:
        calls = 0

        def orders(self, session):
            return books.orders.orders(session)

        def advance(self, *arguments, **options):
            self.calls += 1
            if self.calls == at + 1:
                raise ProcessDiedError
            return books.orders.advance(*arguments, **options)

    return replace(books, orders=DyingOrders())


def test_an_unknown_outcome_stops_the_sending_and_stays_in_the_table(world: World) -> None:
    dying = DyingBroker(world, 1, "after", OrderStateUnknown("timed out"))
    with pytest.raises(OrderStateUnknown, match="timed out"):
        world.submit(world.sessions[1], dying)
    assert statuses(world) == ["acked", "unknown", "intent", "intent"]
    table = world.ws.store.read(ORDERS, [world.sessions[1]]).sort("symbol")
    assert table["status"].to_list() == ["acked", "unknown", "denied", "denied"]
    assert table["reason"].to_list() == ["", "timed out", "not sent", "not sent"]


def test_a_refusal_is_recorded_and_the_others_go_on(world: World) -> None:
    frame = world.submit(
        world.sessions[1], DyingBroker(world, 1, "before", OrderRefused("odd lot"))
    ).sort("symbol")
    assert frame["status"].to_list() == ["acked", "rejected", "acked", "acked"]
    assert frame["reason"].to_list() == ["", "odd lot", "", ""]
    assert world.submit(world.sessions[1]).sort("symbol").equals(frame)


@pytest.mark.parametrize("readable", [True, False])
def test_the_kill_switch_is_read_before_each_order(
    world: World, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch, sent = world.books.kill_switch, []

    class HaltingBroker(DyingBroker):
        def submit(self, intent: OrderIntent) -> BrokerOrder:
            answer = super().submit(intent)
            sent.append(intent)
            if len(sent) == 2:
                _halt(switch, readable, monkeypatch)
            return answer

    with pytest.raises(TradingHalted, match="materialise orders again"):
        world.submit(world.sessions[1], HaltingBroker(world, -1, "", ProcessDiedError()))
    assert statuses(world) == ["acked", "acked", "intent", "intent"]
    table = world.ws.store.read(ORDERS, [world.sessions[1]]).sort("symbol")
    assert table["status"].to_list() == ["acked", "acked", "denied", "denied"]
    monkeypatch.undo()
    if readable:
        for actor in ("ann", "bob"):
            _try_reset(switch, actor)
    assert world.submit(world.sessions[1])["status"].to_list() == ["acked"] * 4
    assert count_at_broker(world)[0] == 4


def _halt(switch, readable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable() -> None:
        raise StoreUnavailable("no database")

    if readable:
        switch.engage(reason="drill", actor="test")
    else:
        monkeypatch.setattr(switch, "engaged", unreadable)


def _try_reset(switch, actor: str) -> None:
    try:
        switch.reset(reason="fine", actor=actor)
    except TradingHalted:
        assert actor == "ann"


def test_orders_that_were_never_sent_are_denied_after_the_close(world: World) -> None:
    world.books.kill_switch.engage(reason="drill", actor="test")
    with pytest.raises(TradingHalted):
        world.submit(world.sessions[1])
    before = world.ws.store.fingerprint(ORDERS.name, world.sessions[1])
    assert world.settle(world.sessions[1]).is_empty()
    assert statuses(world) == ["denied"] * 4
    world.submit(world.sessions[1])
    assert world.ws.store.fingerprint(ORDERS.name, world.sessions[1]) == before


def test_a_halt_at_the_broker_leaves_the_order_to_be_sent_later(world: World) -> None:
    dying = DyingBroker(world, 0, "before", TradingHalted("engaged meanwhile"))
    with pytest.raises(TradingHalted, match="engaged meanwhile"):
        world.submit(world.sessions[1], dying)
    assert statuses(world) == ["submitting", "intent", "intent", "intent"]
    assert world.submit(world.sessions[1])["status"].to_list() == ["acked"] * 4


def test_a_broker_that_knows_another_quantity_stops_everything(world: World) -> None:
    class Liar(DyingBroker):
        def submit(self, intent: OrderIntent) -> BrokerOrder:
            return replace(super().submit(intent), quantity_shares=7)

    with pytest.raises(InvariantBroken, match="quantities differ"):
        world.submit(world.sessions[1], Liar(world, -1, "", ProcessDiedError()))


def test_without_a_decision_nothing_is_submitted(world: World) -> None:
    with pytest.raises(MissingSession, match="table=risk_decision session=2023-01-04"):
        world.submit(world.sessions[2])


def test_another_run_that_sends_the_same_order_is_noticed(world: World) -> None:
    class Busy:
        def orders(self, session):
            return world.books.orders.orders(session)

        def advance(self, *arguments, **options):
            return False

    books = replace(world.books, orders=Busy())
    with pytest.raises(OrderStateUnknown, match="another run"):
        submit_session(world.ws, session=world.sessions[1], books=books, broker=world.broker)


class TestCollect:
    def test_it_is_idempotent(self, world: World) -> None:
        world.submit(world.sessions[1])
        first = _collect(world)
        again = _collect(world)
        assert first.fingerprint == again.fingerprint
        assert (first.rows, first.facts["new_executions"]) == (4, 4)
        assert again.facts["new_executions"] == 0

    def test_an_order_that_did_not_fill_expires_with_the_brokers_reason(self, world: World) -> None:
        import polars as pl

        here = (pl.col("symbol") == "BBB") & (pl.col("session") == world.sessions[1])
        world.submit(world.sessions[1])
        world.put_bars(world.bars.with_columns(is_suspended=here))
        world.settle(world.sessions[1])
        assert statuses(world) == ["filled", "expired", "filled", "filled"]
        records = world.books.orders.orders(world.sessions[1])
        reasons = {record.intent.symbol: record.reason for record in records}
        assert reasons["BBB"].endswith("by the close: suspended")

    def test_an_unknown_order_that_arrived_is_found_by_its_fill(self, world: World) -> None:
        dying = DyingBroker(world, 0, "after", OrderStateUnknown("timed out"))
        with pytest.raises(OrderStateUnknown):
            world.submit(world.sessions[1], dying)
        world.settle(world.sessions[1])
        assert statuses(world) == ["filled", "denied", "denied", "denied"]

    def test_a_session_that_is_not_settled_waits(self, world: World) -> None:
        with pytest.raises(MissingSession, match="one after another"):
            world.collect(world.sessions[3])

    def test_executions_of_another_session_are_refused(self, world: World) -> None:
        class Confused(DyingBroker):
            def executions(self, session):
                return self.world.broker.executions(self.world.sessions[0])

        with pytest.raises(InvariantBroken, match="nothing was stored"):
            collect_executions(
                world.ws,
                session=world.sessions[1],
                books=world.books,
                broker=Confused(world, -1, "", ProcessDiedError()),
            )


def _collect(world: World):
    return collect_executions(
        world.ws, session=world.sessions[1], books=world.books, broker=world.broker
    )
