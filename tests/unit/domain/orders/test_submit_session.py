"""Whatever dies wherever, every order of a decision reaches the broker once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.dying import Fuse, Fused, ProcessDiedError, fused_books
from tests.support.people import proven
from tests.support.trading_world import SYMBOLS, World, make_world
from tradegraph_dagster.domain.core.errors import (
    BrokerUnavailable,
    ConfigError,
    InvariantBroken,
    MissingSession,
    OrderRefused,
    OrderStateUnknown,
    StoreUnavailable,
    TradingHalted,
)
from tradegraph_dagster.domain.orders.cancellation import cancel_open
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import (
    ORDERS,
    BrokerOrder,
    Incident,
    IncidentKind,
    OrderIntent,
    OrderStatus,
    TradingMode,
    Venue,
)
from tradegraph_dagster.domain.orders.sending import SubmissionPolicy
from tradegraph_dagster.domain.orders.step import collect_executions, submit_session

IMPATIENT = SubmissionPolicy(patience_seconds=0)


class OddBroker:
    """Passes calls on to a broker, counts them, and does something odd at the n-th submission."""

    name = "simulated"

    def __init__(
        self, world: World, at: int = -1, window: str = "", error: BaseException | None = None
    ) -> None:
        self.world = world
        self.at = at
        self.window = window
        self.error = error
        self.sent: list[str] = []
        self.asked: list[str] = []
        self.hidden: set[str] = set()

    @property
    def venue(self) -> Venue:
        return self.world.broker.venue

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
        self.asked.append(client_order_id)
        if client_order_id in self.hidden:
            return None
        return self.world.broker.order(client_order_id)

    def cancel(self, client_order_id: str) -> BrokerOrder | None:
        return self.world.broker.cancel(client_order_id)

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


def run(world: World, broker: Any = None, books: TradingBooks | None = None, **options: Any):
    ports = world.ports(broker, holder=options.pop("holder", "run-1"))
    return submit_session(
        world.ws,
        session=world.sessions[1],
        ports=replace(ports, books=books or world.books),
        policy=options.pop("policy", SubmissionPolicy()),
        deadline=options.pop("deadline", None),
    )


def lapse(world: World) -> None:
    """Time passes until the lease of a run that died is over."""
    world.clock.advance(timedelta(seconds=10))


def table(world: World) -> list[tuple[str, str]]:
    frame = world.ws.store.read(ORDERS, [world.sessions[1]]).sort("symbol")
    return list(zip(frame["status"], frame["reason"], strict=True))


def test_each_order_is_sent_once_and_a_rerun_writes_the_same_bytes(world: World) -> None:
    counting = OddBroker(world)
    first, again = run(world, counting), run(world, counting)
    assert len(counting.sent) == 4
    assert counting.asked == []
    assert first.fingerprint == again.fingerprint
    assert first.facts == {"acked": 4, "mode": "paper"}
    world.settle(world.sessions[1])
    assert run(world, counting).fingerprint == first.fingerprint
    assert len(counting.sent) == 4
    assert count_at_broker(world) == (4, expected_shares(world))


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("window", ["before", "after"])
@pytest.mark.parametrize("patience", [0, 90])
@pytest.mark.parametrize(
    "error",
    [ProcessDiedError(), OrderStateUnknown("connection reset"), BrokerUnavailable("no route")],
    ids=lambda error: type(error).__name__,
)
def test_a_death_in_any_window_neither_doubles_nor_loses_an_order(
    world: World, at: int, window: str, patience: float, error: BaseException
) -> None:
    dying = OddBroker(world, at, window, error)
    policy = SubmissionPolicy(patience_seconds=patience)
    died = _outcome(lambda: run(world, dying, policy=policy))
    lapse(world)
    second = OddBroker(world)
    run(world, second, holder="run-2")
    assert table(world) == [("acked", "")] * 4
    resent = [name for name in second.sent if name in dying.sent[: -1 if window == "before" else 4]]
    assert resent == [], "what had arrived was sent again"
    if patience and not isinstance(error, ProcessDiedError):
        assert died is None, "one run should have converged"
        assert second.sent == []
    wanted = expected_shares(world)
    world.settle(world.sessions[1])
    assert count_at_broker(world) == (4, wanted)
    assert statuses(world) == [OrderStatus.FILLED] * 4


def _outcome(act: Callable[[], object]) -> BaseException | None:
    try:
        act()
    except (ProcessDiedError, OrderStateUnknown, BrokerUnavailable) as error:
        return error
    return None


@pytest.mark.parametrize("steps", range(60))
def test_a_death_between_any_two_calls_neither_doubles_nor_loses(world: World, steps: int) -> None:
    fuse, first, second = Fuse(steps), OddBroker(world), OddBroker(world)
    died = _outcome(lambda: run(world, Fused(first, fuse), books=fused_books(world.books, fuse)))
    assert isinstance(died, ProcessDiedError) == (fuse.steps < 0)
    lapse(world)
    run(world, second, holder="run-2")
    names = {
        record.intent.client_order_id for record in world.books.orders.orders(world.sessions[1])
    }
    assert set(first.sent) | set(second.sent) == names
    assert table(world) == [("acked", "")] * 4
    wanted = expected_shares(world)
    world.settle(world.sessions[1])
    assert count_at_broker(world) == (4, wanted)


class TestRecovery:
    def _unknown(self, world: World, window: str) -> OddBroker:
        dying = OddBroker(world, 0, window, ProcessDiedError())
        with pytest.raises(ProcessDiedError):
            run(world, dying)
        lapse(world)
        return OddBroker(world)

    def test_what_the_broker_has_is_adopted_without_waiting(self, world: World) -> None:
        broker = self._unknown(world, "after")
        ports = world.ports(broker, holder="run-2")
        run(world, broker, holder="run-2", policy=IMPATIENT)
        assert (ports.stopwatch.seconds(), len(broker.sent)) == (0, 3)

    def test_what_it_never_saw_is_sent_again_only_after_the_grace(self, world: World) -> None:
        broker = self._unknown(world, "before")
        began = world.clock.now()
        run(world, broker, holder="run-2")
        first = world.books.orders.order(broker.sent[0])
        assert first.status is OrderStatus.ACKED
        # The call that died was ten seconds before.
        assert timedelta(seconds=20) <= first.sent_at - began < timedelta(seconds=30)
        assert len(broker.asked) >= 2

    def test_without_patience_a_later_run_goes_on(self, world: World) -> None:
        broker = self._unknown(world, "before")
        for _ in range(3):
            with pytest.raises(OrderStateUnknown, match="materialise orders again in a minute"):
                run(world, broker, holder="run-2", policy=IMPATIENT)
            assert broker.sent == []
            world.clock.advance(timedelta(seconds=9))
        run(world, broker, holder="run-2", policy=IMPATIENT)
        assert len(broker.sent) == 4

    def test_misses_that_are_not_apart_do_not_count(self, world: World) -> None:
        broker = self._unknown(world, "before")
        world.clock.advance(timedelta(minutes=5))
        for _ in range(5):
            with pytest.raises(OrderStateUnknown):
                run(world, broker, holder="run-2", policy=IMPATIENT)
        assert broker.sent == []

    def test_an_order_that_shows_up_late_is_not_sent_again(self, world: World) -> None:
        """The broker has it, and does not find it for twenty seconds."""
        broker = self._unknown(world, "after")
        arrived = world.books.orders.orders(world.sessions[1])
        hidden = next(
            record.intent.client_order_id
            for record in arrived
            if record.status is OrderStatus.SUBMITTING
        )
        broker.hidden = {hidden}
        shown = world.clock.now() + timedelta(seconds=15)

        class Showing:
            def seconds(self) -> float:
                return (world.clock.now() - shown).total_seconds()

            def pause(self, seconds: float) -> None:
                world.clock.advance(timedelta(seconds=seconds))
                if world.clock.now() >= shown:
                    broker.hidden = set()

        ports = replace(world.ports(broker, holder="run-2"), stopwatch=Showing())
        submit_session(
            world.ws,
            session=world.sessions[1],
            ports=ports,
            policy=SubmissionPolicy(),
            deadline=None,
        )
        assert hidden not in broker.sent
        assert table(world) == [("acked", "")] * 4

    def test_a_broker_that_cannot_be_asked_is_no_miss(self, world: World) -> None:
        broker = self._unknown(world, "before")

        class Mute(OddBroker):
            def order(self, client_order_id: str) -> BrokerOrder | None:
                raise BrokerUnavailable("no route")

        with pytest.raises(BrokerUnavailable, match="no route"):
            run(world, Mute(world), holder="run-2")
        waiting = world.books.orders.orders(world.sessions[1])
        assert {record.misses for record in waiting} == {0}
        assert broker.sent == []

    def test_a_status_that_says_nothing_is_neither_a_miss_nor_an_end(self, world: World) -> None:
        self._unknown(world, "after")

        class Vague(OddBroker):
            def order(self, client_order_id: str) -> BrokerOrder | None:
                return replace(super().order(client_order_id), status=OrderStatus.UNKNOWN)

        vague = Vague(world)
        with pytest.raises(OrderStateUnknown, match="not known yet"):
            run(world, vague, holder="run-2")
        assert vague.sent == []

    def test_a_resend_that_fails_too_waits_for_a_grace_of_its_own(self, world: World) -> None:
        self._unknown(world, "before")
        broker = OddBroker(world, 0, "before", OrderStateUnknown("timed out"))
        began = world.clock.now()
        run(world, broker, holder="run-2", policy=SubmissionPolicy(patience_seconds=120))
        assert broker.sent[0] == broker.sent[1]
        assert world.clock.now() - began >= timedelta(seconds=20 + 30)
        assert table(world) == [("acked", "")] * 4


class TestTheLease:
    def test_a_second_run_sends_nothing_while_the_first_one_lives(self, world: World) -> None:
        leases, broker = world.books.leases, OddBroker(world)

        class Living:
            def seconds(self) -> float:
                return 0.0

            def pause(self, seconds: float) -> None:
                world.clock.advance(timedelta(seconds=seconds))
                leases.acquire("order_submission", "run-1", seconds=5)

        leases.acquire("order_submission", "run-1", seconds=5)
        with pytest.raises(OrderStateUnknown, match="another run is sending"):
            submit_session(
                world.ws,
                session=world.sessions[1],
                ports=replace(world.ports(broker, holder="run-2"), stopwatch=Living()),
                policy=SubmissionPolicy(),
                deadline=None,
            )
        assert (broker.sent, statuses(world)) == ([], ["intent"] * 4)

    def test_without_patience_it_does_not_wait_for_the_lease(self, world: World) -> None:
        world.books.leases.acquire("order_submission", "run-1", seconds=5)
        ports = world.ports(holder="run-2")
        with pytest.raises(OrderStateUnknown, match="another run is sending"):
            run(world, holder="run-2", policy=IMPATIENT)
        assert ports.stopwatch.seconds() == 0

    def test_a_lease_that_is_lost_while_waiting_ends_the_run(self, world: World) -> None:
        """A broker that cannot be asked is waited for; meanwhile another run takes over."""
        with pytest.raises(ProcessDiedError):
            run(world, OddBroker(world, 0, "before", ProcessDiedError()))
        lapse(world)

        class Stolen(OddBroker):
            def order(self, client_order_id: str) -> BrokerOrder | None:
                lapse(world)
                world.books.leases.acquire("order_submission", "run-3", seconds=60)
                return None

        stolen = Stolen(world)
        with pytest.raises(OrderStateUnknown):
            run(world, stolen, holder="run-2")
        assert stolen.sent == []

    def test_a_ledger_that_is_gone_at_the_end_leaves_the_lease_to_lapse(self, world) -> None:
        class Gone(Fused):
            def release(self, lease: object) -> None:
                raise StoreUnavailable("no database")

        leases = Gone(world.books.leases, Fuse())
        run(world, books=replace(world.books, leases=leases))
        assert statuses(world) == ["acked"] * 4

    def test_the_lease_of_a_run_that_died_is_waited_for(self, world: World) -> None:
        world.books.leases.acquire("order_submission", "run-1", seconds=5)
        run(world, OddBroker(world), holder="run-2")
        assert statuses(world) == ["acked"] * 4

    def test_it_is_given_back_at_the_end(self, world: World) -> None:
        run(world)
        assert world.books.leases.acquire("order_submission", "run-2", seconds=5) is not None

    def test_a_run_that_was_stopped_between_permit_and_call_does_not_call(
        self, world: World
    ) -> None:
        ports = world.ports(OddBroker(world))

        class Stopping(Fused):
            def begin_sending(self, *arguments: Any, **options: Any) -> Any:
                permit = world.books.orders.begin_sending(*arguments, **options)
                ports.stopwatch.pause(6)
                return permit

        broker, stopping = ports.broker, Stopping(world.books.orders, Fuse())
        with pytest.raises(OrderStateUnknown, match="may have lapsed since the permit"):
            submit_session(
                world.ws,
                session=world.sessions[1],
                ports=replace(ports, books=replace(world.books, orders=stopping)),
                policy=SubmissionPolicy(),
                deadline=None,
            )
        assert broker.sent == []
        assert statuses(world) == ["submitting", "intent", "intent", "intent"]

    def test_a_run_that_wakes_after_its_lease_was_taken_is_fenced(self, world: World) -> None:
        class Sleeping(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                answer = super().submit(intent)
                if len(self.sent) == 2:
                    lapse(world)
                    world.books.leases.acquire("order_submission", "run-2", seconds=60)
                return answer

        sleeping = Sleeping(world)
        with pytest.raises(OrderStateUnknown, match="another run may be sending"):
            run(world, sleeping)
        assert len(sleeping.sent) == 2
        assert statuses(world) == ["acked", "acked", "intent", "intent"]

    def test_a_long_run_renews_it(self, world: World) -> None:
        class Slow(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                ports.stopwatch.pause(4)
                return super().submit(intent)

        ports = world.ports()
        submit_session(
            world.ws,
            session=world.sessions[1],
            ports=replace(ports, broker=Slow(world)),
            policy=SubmissionPolicy(),
            deadline=None,
        )
        assert statuses(world) == ["acked"] * 4


def test_an_unknown_outcome_stops_the_sending_and_stays_in_the_table(world: World) -> None:
    odd = OddBroker(world, 1, "before", OrderStateUnknown("timed out"))
    with pytest.raises(OrderStateUnknown, match="timed out"):
        run(world, odd, policy=IMPATIENT)
    assert statuses(world) == ["acked", "unknown", "intent", "intent"]
    assert table(world) == [
        ("acked", ""),
        ("unknown", "timed out"),
        ("denied", "not sent"),
        ("denied", "not sent"),
    ]


def test_a_refusal_is_recorded_and_the_others_go_on(world: World) -> None:
    run(world, OddBroker(world, 1, "before", OrderRefused("odd lot")))
    expected = [("acked", ""), ("rejected", "odd lot"), ("acked", ""), ("acked", "")]
    assert table(world) == expected
    run(world)
    assert table(world) == expected


@pytest.mark.parametrize("readable", [True, False])
def test_the_kill_switch_is_read_before_each_order(
    world: World, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = world.books.kill_switch

    class Halting(OddBroker):
        def submit(self, intent: OrderIntent) -> BrokerOrder:
            answer = super().submit(intent)
            if len(self.sent) == 2:
                _halt(switch, readable, monkeypatch)
            return answer

    with pytest.raises(TradingHalted if readable else StoreUnavailable):
        run(world, Halting(world))
    assert statuses(world) == ["acked", "acked", "intent", "intent"]
    if readable:
        assert table(world)[2:] == [("denied", "not sent")] * 2
    monkeypatch.undo()
    if readable:
        # As after a close; here it is the same session that goes on.
        reconciled = world.books.reconciliations.record_reconciliation
        reconciled(world.sessions[1], breaks=0, fingerprint="f")
        with pytest.raises(TradingHalted):
            switch.reset(reason="fine", person=proven("ann", at=world.clock.now()))
        switch.reset(reason="fine", person=proven("bob", at=world.clock.now()))
    run(world)
    assert table(world) == [("acked", "")] * 4
    assert count_at_broker(world)[0] == 4


def _halt(switch, readable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable() -> None:
        raise StoreUnavailable("no database")

    if readable:
        switch.engage(reason="drill", actor="test")
    else:
        monkeypatch.setattr(switch, "engaged", unreadable)


def test_orders_that_were_never_sent_are_denied_after_the_close(world: World) -> None:
    world.books.kill_switch.engage(reason="drill", actor="test")
    with pytest.raises(TradingHalted, match=r"engaged: drill; this order.*orders again"):
        run(world)
    before = world.ws.store.fingerprint(ORDERS.name, world.sessions[1])
    assert world.settle(world.sessions[1]).is_empty()
    assert statuses(world) == ["denied"] * 4
    run(world)
    assert world.ws.store.fingerprint(ORDERS.name, world.sessions[1]) == before


def test_a_halt_at_the_broker_leaves_the_order_to_be_sent_later(world: World) -> None:
    odd = OddBroker(world, 0, "before", TradingHalted("engaged meanwhile"))
    with pytest.raises(TradingHalted, match="engaged meanwhile"):
        run(world, odd)
    assert statuses(world) == ["submitting", "intent", "intent", "intent"]
    run(world)
    assert table(world) == [("acked", "")] * 4


class TestAnOrderOfAnotherContent:
    @pytest.mark.parametrize(
        "lie",
        [{"quantity_shares": 7}, {"symbol": "ZZZ"}, {"side": "sell"}, {"limit_price": 1}],
        ids=lambda lie: next(iter(lie)),
    )
    def test_it_stops_everything_and_raises_an_incident(self, world: World, lie) -> None:
        class Liar(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                return replace(super().submit(intent), **lie)

        with pytest.raises(InvariantBroken, match="halt and ask the broker"):
            run(world, Liar(world))
        (incident,) = world.books.incidents.open_incidents()
        assert (incident.kind, incident.symbol, incident.blocks) == (
            IncidentKind.ORDER_MISMATCH,
            "AAA",
            True,
        )
        assert statuses(world) == ["unknown", "intent", "intent", "intent"]

    def test_a_broker_that_says_so_itself_is_believed(self, world: World) -> None:
        odd = OddBroker(world, 0, "before", InvariantBroken("the id is known otherwise"))
        with pytest.raises(InvariantBroken, match="known otherwise"):
            run(world, odd)
        (incident,) = world.books.incidents.open_incidents()
        assert incident.kind is IncidentKind.ORDER_MISMATCH
        assert statuses(world)[0] == "unknown"

    def test_what_the_broker_does_not_say_is_not_compared(self, world: World) -> None:
        class Terse(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                return replace(super().submit(intent), symbol="", side=None, limit_price=None)

        run(world, Terse(world))
        assert statuses(world) == ["acked"] * 4


class TestModes:
    def test_a_dry_run_sends_nothing_and_says_so(self, world: World) -> None:
        broker = OddBroker(world)
        policy = SubmissionPolicy(mode=TradingMode.DRY_RUN)
        written = run(world, broker, policy=policy)
        assert (broker.sent, statuses(world)) == ([], ["intent"] * 4)
        assert table(world) == [("denied", "not sent: dry run")] * 4
        assert written.facts == {"denied": 4, "mode": "dry_run", "not_sent_dry_run": 4}
        world.settle(world.sessions[1])
        run(world, broker, policy=policy)
        assert table(world) == [("denied", "not sent: dry run")] * 4

    def test_a_dry_run_stops_where_a_real_one_would(self, world: World) -> None:
        world.books.kill_switch.engage(reason="drill", actor="test")
        with pytest.raises(TradingHalted, match="drill"):
            run(world, policy=SubmissionPolicy(mode=TradingMode.DRY_RUN))

    def test_a_dry_run_adopts_what_is_there_and_resends_nothing(self, world: World) -> None:
        for window, at in (("after", 0), ("before", 0)):
            with pytest.raises(ProcessDiedError):
                run(world, OddBroker(world, at, window, ProcessDiedError()))
            lapse(world)
        broker = OddBroker(world)
        run(world, broker, policy=SubmissionPolicy(mode=TradingMode.DRY_RUN))
        assert broker.sent == []
        assert statuses(world)[0] == "acked"
        assert statuses(world).count("submitting") == 1

    @pytest.mark.parametrize(
        ("mode", "is_live"), [(TradingMode.PAPER, True), (TradingMode.LIVE, False)]
    )
    def test_a_connection_that_leads_elsewhere_gets_nothing(self, world, mode, is_live) -> None:
        class Elsewhere(OddBroker):
            @property
            def venue(self) -> Venue:
                return Venue("api.example.com", "1", is_live)

        broker = Elsewhere(world)
        with pytest.raises(TradingHalted, match=f"mode {mode} is configured"):
            run(world, broker, policy=SubmissionPolicy(mode=mode))
        assert (broker.sent, statuses(world)) == ([], ["intent"] * 4)

    def test_live_is_refused_where_the_ledger_does_not_know_it_armed(self, world: World) -> None:
        class Live(OddBroker):
            @property
            def venue(self) -> Venue:
                return Venue("api.example.com", "1", is_live=True)

        broker = Live(world)
        with pytest.raises(TradingHalted):
            run(world, broker, policy=SubmissionPolicy(mode=TradingMode.LIVE))
        assert (broker.sent, statuses(world)) == ([], ["intent"] * 4)

    def test_an_account_that_cannot_be_asked_gets_nothing(self, world: World) -> None:
        class Nameless(OddBroker):
            @property
            def venue(self) -> Venue:
                raise BrokerUnavailable("no account")

        broker = Nameless(world)
        with pytest.raises(BrokerUnavailable, match="no account"):
            run(world, broker)
        assert (broker.sent, statuses(world)) == ([], ["intent"] * 4)


class TestRefusals:
    @pytest.mark.parametrize("first", ["lost", "late"])
    def test_a_refused_resend_says_nothing_until_the_broker_was_asked_through_a_grace(
        self, world: World, first: str
    ) -> None:
        class Holding(OddBroker):
            """The first call arrives while the second is refused for the cash it holds."""

            def submit(self, intent: OrderIntent) -> BrokerOrder:
                if intent.client_order_id not in self.sent:
                    self.sent.append(intent.client_order_id)
                    if len(self.sent) == 1:
                        raise OrderStateUnknown("timed out after it began")
                    return self.world.broker.submit(intent)
                self.sent.append(intent.client_order_id)
                if first == "late":
                    self.world.broker.submit(intent)
                raise OrderRefused("insufficient buying power")

        broker = Holding(world)
        began = world.clock.now()
        run(world, broker)
        assert broker.sent[1] == broker.sent[0]
        assert len(broker.sent) == 5
        if first == "late":
            assert statuses(world) == [OrderStatus.ACKED] * 4
        else:
            assert world.clock.now() - began >= timedelta(seconds=30 + 30)
            assert statuses(world) == ["rejected", "acked", "acked", "acked"]
            reason = "the call was refused: insufficient buying power"
            assert table(world)[0] == ("rejected", reason)
        world.settle(world.sessions[1])
        end = OrderStatus.FILLED if first == "late" else OrderStatus.REJECTED
        assert statuses(world)[0] is end
        assert world.books.incidents.open_incidents() == ()
        assert world.books.kill_switch.engaged() is None

    def test_a_refusal_ends_an_order_of_which_nothing_was_sent_before(self, world: World) -> None:
        class Busy(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                self.sent.append(intent.client_order_id)
                if len(self.sent) == 1:
                    raise BrokerUnavailable("too many requests; nothing was accepted")
                if len(self.sent) == 2:
                    raise OrderRefused("insufficient buying power")
                return self.world.broker.submit(intent)

        run(world, Busy(world))
        assert statuses(world) == ["rejected", "acked", "acked", "acked"]

    def test_runs_without_patience_end_a_refused_order_that_never_left(self, world: World) -> None:
        """The first run cannot connect; every later one asks, and only one sends."""

        class Shut(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                raise BrokerUnavailable("connect refused; nothing was sent")

        with pytest.raises(BrokerUnavailable):
            run(world, Shut(world), policy=IMPATIENT)
        assert statuses(world) == ["submitting", "intent", "intent", "intent"]
        broker = OddBroker(world, 0, "before", OrderRefused("insufficient buying power"))
        for number in range(12):
            world.clock.advance(timedelta(seconds=10))
            died = _outcome(
                lambda number=number: run(
                    world, broker, policy=IMPATIENT, holder=f"run-{number}", deadline=None
                )
            )
            if died is None:
                break
            assert isinstance(died, OrderStateUnknown)
        assert statuses(world) == ["rejected", "acked", "acked", "acked"]
        assert len(broker.sent) == len(set(broker.sent)) == 4

    def test_the_deadline_does_not_keep_a_refused_order_open(self, world: World) -> None:
        class Refusing(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                self.sent.append(intent.client_order_id)
                if len(self.sent) == 1:
                    raise OrderStateUnknown("timed out")
                raise OrderRefused("insufficient buying power")

        broker = Refusing(world)
        run(world, broker, deadline=world.clock.now() + timedelta(seconds=40))
        assert statuses(world) == ["rejected", "denied", "denied", "denied"]
        assert len(broker.sent) == 2


class TestOpenIncidents:
    def _raise(self, world: World, symbol: str) -> None:
        incident = Incident("i", IncidentKind.BREAK_FOUND, world.sessions[1], symbol, "r", "e", "f")
        world.books.incidents.raise_incidents([incident])

    def test_one_holds_back_its_symbol_until_it_is_acknowledged(self, world: World) -> None:
        self._raise(world, "BBB")
        broker = OddBroker(world)
        with pytest.raises(TradingHalted, match="incident is open: i; nothing was sent of order"):
            run(world, broker)
        assert statuses(world) == ["acked", "intent", "acked", "acked"]
        assert len(broker.sent) == 3
        world.books.incidents.acknowledge("i", actor="ann", reason="seen")
        run(world, broker)
        assert statuses(world) == ["acked"] * 4
        assert len(broker.sent) == 4

    def test_one_of_no_symbol_holds_back_all(self, world: World) -> None:
        asked: list[str] = []

        class Counting(type(world.books.orders)):
            def begin_sending(self, *args: Any, **options: Any) -> Any:
                asked.append(args[0])
                return super().begin_sending(*args, **options)

        self._raise(world, "")
        broker, books = (
            OddBroker(world),
            replace(world.books, orders=Counting(world.books.orders._kept)),
        )
        with pytest.raises(TradingHalted, match="symbol=AAA"):
            run(world, broker, books=books)
        assert (broker.sent, statuses(world)) == ([], ["intent"] * 4)
        assert len(asked) == 1

    def test_one_that_comes_while_orders_go_out_holds_back_the_rest(self, world: World) -> None:
        raising = self._raise

        class Raising(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                if len(self.sent) == 1:
                    raising(self.world, "CCC")
                return super().submit(intent)

        with pytest.raises(TradingHalted, match="symbol=CCC"):
            run(world, Raising(world))
        assert statuses(world) == ["acked", "acked", "intent", "acked"]

    def test_an_order_that_never_arrived_is_not_sent_again_and_the_others_are_sent(
        self, world: World
    ) -> None:
        with pytest.raises(ProcessDiedError):
            run(world, OddBroker(world, 0, "before", ProcessDiedError()))
        lapse(world)
        self._raise(world, "AAA")
        broker = OddBroker(world)
        with pytest.raises(TradingHalted, match="symbol=AAA"):
            run(world, broker, holder="run-2")
        assert statuses(world) == ["submitting", "acked", "acked", "acked"]
        assert len(broker.sent) == 3


class TestPendingCancels:
    def _asked_for(self, world: World) -> list[str]:
        run(world)

        class Gone(OddBroker):
            def cancel(self, client_order_id: str) -> BrokerOrder | None:
                super().cancel(client_order_id)
                raise ProcessDiedError

        with pytest.raises(ProcessDiedError):
            cancel_open(world.books, Gone(world), session=world.sessions[1], reason="drill")
        assert statuses(world).count(OrderStatus.PENDING_CANCEL) == 1
        records = world.books.orders.orders(world.sessions[1])
        return [
            one.intent.client_order_id
            for one in records
            if one.status is OrderStatus.PENDING_CANCEL
        ]

    def test_the_next_run_asks_what_came_of_them(self, world: World) -> None:
        asked_for = self._asked_for(world)
        broker = OddBroker(world)
        run(world, broker, holder="run-2")
        assert (broker.asked, broker.sent) == (asked_for, [])
        assert sorted(statuses(world)) == ["acked", "acked", "acked", "canceled"]

    def test_one_that_the_broker_does_not_know_is_a_miss(self, world: World) -> None:
        (name,) = self._asked_for(world)
        broker = OddBroker(world)
        broker.hidden.add(name)
        run(world, broker, holder="run-2")
        order = world.books.orders.order(name)
        assert (order.status, order.misses) == (OrderStatus.PENDING_CANCEL, 1)
        assert broker.sent == []


class TestTheDeadline:
    def test_what_was_not_sent_by_then_is_denied(self, world: World) -> None:
        broker = OddBroker(world)
        run(world, broker, deadline=world.clock.now())
        assert (broker.sent, statuses(world)) == ([], ["denied"] * 4)
        assert table(world) == [("denied", "not sent")] * 4

    def test_recovery_goes_on_but_nothing_is_sent_again(self, world: World) -> None:
        with pytest.raises(ProcessDiedError):
            run(world, OddBroker(world, 0, "after", ProcessDiedError()))
        lapse(world)
        with pytest.raises(ProcessDiedError):
            run(world, OddBroker(world, 0, "before", ProcessDiedError()), holder="run-2")
        lapse(world)
        broker = OddBroker(world)
        with pytest.raises(OrderStateUnknown, match="not known yet whether it arrived"):
            run(world, broker, deadline=world.clock.now(), holder="run-3")
        assert broker.sent == []
        assert statuses(world) == ["acked", "submitting", "denied", "denied"]

    def test_what_shows_up_after_it_is_adopted(self, world: World) -> None:
        with pytest.raises(ProcessDiedError):
            run(world, OddBroker(world, 0, "after", ProcessDiedError()))
        lapse(world)
        shown = world.books.orders.orders(world.sessions[1])

        class Slow(OddBroker):
            def order(self, client_order_id: str) -> BrokerOrder | None:
                known = super().order(client_order_id)
                return known if len(self.asked) > 3 else None

        broker = Slow(world)
        run(world, broker, deadline=world.clock.now(), holder="run-2")
        assert (len(broker.asked), broker.sent) == (4, [])
        assert sorted(statuses(world)) == ["acked", "denied", "denied", "denied"]
        assert len(shown) == 4

    def test_no_call_begins_after_it(self, world: World) -> None:
        deadline = world.clock.now() + timedelta(seconds=3)
        late = []

        class Slow(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                late.append(world.clock.now() >= deadline)
                if len(late) == 1:
                    raise BrokerUnavailable("busy")
                return super().submit(intent)

        with pytest.raises(BrokerUnavailable):
            run(world, Slow(world), deadline=deadline)
        assert late == [False]

    def test_a_permit_that_came_too_late_is_not_used(self, world: World) -> None:
        deadline = world.clock.now() + timedelta(seconds=3)

        class Waiting(type(world.books.orders)):
            def begin_sending(self, *args: Any, **options: Any) -> Any:
                permit = super().begin_sending(*args, **options)
                world.clock.advance(timedelta(seconds=5))
                return permit

        books = replace(world.books, orders=Waiting(world.books.orders._kept))
        broker = OddBroker(world)
        with pytest.raises(OrderStateUnknown, match="has passed; nothing was sent"):
            run(world, broker, books=books, deadline=deadline)
        assert broker.sent == []
        assert statuses(world) == ["submitting", "denied", "denied", "denied"]
        world.settle(world.sessions[1])
        assert statuses(world) == ["expired", "denied", "denied", "denied"]

    def test_waiting_for_a_broker_ends_with_it(self, world: World) -> None:
        class Away(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                raise BrokerUnavailable("no route")

        with pytest.raises(BrokerUnavailable):
            run(world, Away(world), deadline=world.clock.now() + timedelta(seconds=12))
        assert statuses(world) == ["submitting", "denied", "denied", "denied"]


class TestCancelOpen:
    def test_working_orders_are_canceled_and_intents_stay(self, world: World) -> None:
        class Halting(OddBroker):
            def submit(self, intent: OrderIntent) -> BrokerOrder:
                if len(self.sent) == 2:
                    world.books.kill_switch.engage(reason="drill", actor="test")
                return super().submit(intent)

        with pytest.raises(TradingHalted):
            run(world, Halting(world))
        report = cancel_open(
            world.books, world.broker, session=world.sessions[1], reason="kill switch"
        )
        assert set(report.ended.values()) == {OrderStatus.CANCELED}
        assert (len(report.ended), report.asked) == (2, ())
        assert list(report.failed.values()) == ["the broker says that it never saw it"]
        assert sorted(statuses(world)) == ["canceled", "canceled", "intent", "submitting"]

    def test_one_that_fails_holds_up_no_other_and_stays_pending(self, world: World) -> None:
        run(world)

        class Half(OddBroker):
            def cancel(self, client_order_id: str) -> BrokerOrder | None:
                self.asked.append(client_order_id)
                if len(self.asked) == 1:
                    raise BrokerUnavailable("no route")
                if len(self.asked) == 2:
                    known = self.world.broker.order(client_order_id)
                    return replace(known, status=OrderStatus.PENDING_CANCEL)
                if len(self.asked) == 3:
                    return None
                return super().cancel(client_order_id)

        broker = Half(world)
        report = cancel_open(world.books, broker, session=world.sessions[1], reason="drill")
        first, second, third, fourth = broker.asked
        assert report.failed == {
            first: "no route",
            third: "the broker says that it never saw it",
        }
        assert report.asked == (second,)
        assert report.ended == {fourth: OrderStatus.CANCELED}
        orders = world.books.orders
        assert orders.order(first).status is OrderStatus.PENDING_CANCEL
        assert orders.order(third).misses == 1

    @pytest.mark.parametrize(
        ("error", "after"),
        [
            (TradingHalted("live trading is shut; nothing was sent"), OrderStatus.ACKED),
            (InvariantBroken("two orders share an id"), OrderStatus.PENDING_CANCEL),
            (ConfigError("a fraction of a share"), OrderStatus.PENDING_CANCEL),
        ],
    )
    def test_a_halt_or_a_contradiction_holds_up_no_other(
        self, world: World, error: Exception, after: OrderStatus
    ) -> None:
        """Where nothing was asked, no cancel is pending."""
        run(world)

        class First(OddBroker):
            def cancel(self, client_order_id: str) -> BrokerOrder | None:
                self.asked.append(client_order_id)
                if len(self.asked) == 1:
                    raise error
                return super().cancel(client_order_id)

        broker = First(world)
        report = cancel_open(world.books, broker, session=world.sessions[1], reason="drill")
        first, *others = broker.asked
        assert report.failed == {first: error.message}
        assert report.ended == dict.fromkeys(others, OrderStatus.CANCELED)
        assert len(others) == 3
        assert world.books.orders.order(first).status is after

    def test_a_cancel_that_is_refused_goes_back(self, world: World) -> None:
        run(world)

        class Refusing(OddBroker):
            def cancel(self, client_order_id: str) -> BrokerOrder | None:
                return self.world.broker.order(client_order_id)

        report = cancel_open(
            world.books, Refusing(world), session=world.sessions[1], reason="drill"
        )
        assert set(report.failed.values()) == {"it is acked at the broker"}
        assert statuses(world) == ["acked"] * 4


def test_without_a_decision_nothing_is_submitted(world: World) -> None:
    with pytest.raises(MissingSession, match="table=risk_decision session=2023-01-04"):
        world.submit(world.sessions[2])


class TestCollect:
    def test_it_is_idempotent(self, world: World) -> None:
        run(world)
        first = _collect(world)
        again = _collect(world)
        assert first.fingerprint == again.fingerprint
        assert (first.rows, first.facts["new_executions"]) == (4, 4)
        assert again.facts["new_executions"] == 0

    def test_an_order_that_did_not_fill_expires_with_the_brokers_reason(self, world: World) -> None:
        import polars as pl

        here = (pl.col("symbol") == "BBB") & (pl.col("session") == world.sessions[1])
        run(world)
        world.put_bars(world.bars.with_columns(is_suspended=here))
        world.settle(world.sessions[1])
        assert statuses(world) == ["filled", "expired", "filled", "filled"]
        records = world.books.orders.orders(world.sessions[1])
        reasons = {record.intent.symbol: record.reason for record in records}
        assert reasons["BBB"].endswith("by the close: suspended")

    def test_an_unknown_order_that_arrived_is_found_by_its_fill(self, world: World) -> None:
        dying = OddBroker(world, 0, "after", ProcessDiedError())
        with pytest.raises(ProcessDiedError):
            run(world, dying)
        world.settle(world.sessions[1])
        assert statuses(world) == ["filled", "denied", "denied", "denied"]

    def test_an_order_that_never_arrived_expires_and_stays_unknown_in_the_table(
        self, world: World
    ) -> None:
        with pytest.raises(ProcessDiedError):
            run(world, OddBroker(world, 0, "before", ProcessDiedError()))
        world.settle(world.sessions[1])
        assert statuses(world) == ["expired", "denied", "denied", "denied"]
        run(world)
        assert table(world)[0][0] == "unknown"

    def test_an_order_that_the_broker_has_lost_is_an_incident(self, world: World) -> None:
        run(world)

        class Forgetful(OddBroker):
            def order(self, client_order_id: str) -> BrokerOrder | None:
                return None

            def executions(self, session: date):
                fills, bookings = super().executions(session)
                return fills[1:], bookings

        written = collect_executions(
            world.ws, session=world.sessions[1], books=world.books, broker=Forgetful(world)
        )
        assert written.facts["incidents"] == 1
        (incident,) = world.books.incidents.open_incidents()
        assert incident.kind is IncidentKind.ORDER_LOST
        assert sorted(statuses(world)) == ["expired", "filled", "filled", "filled"]

    def test_a_fill_of_a_rejected_order_is_booked_and_halts(self, world: World) -> None:
        refusing = OddBroker(world, 0, "after", OrderRefused("no"))
        run(world, refusing)
        world.collect(world.sessions[1])
        (incident,) = world.books.incidents.open_incidents()
        assert (incident.kind, incident.symbol) == (IncidentKind.FILL_AFTER_REJECTION, "")
        assert "fill_after_rejection" in world.books.kill_switch.engaged()
        assert statuses(world) == ["filled"] * 4

    def test_it_then_cancels_what_works(self, world: World) -> None:
        """The broker says nothing of the other three yet; the cancel of one is not heard."""
        run(world, OddBroker(world, 0, "after", OrderRefused("no")))

        canceled: list[str] = []

        class Slow(OddBroker):
            def executions(self, session: date):
                fills, bookings = super().executions(session)
                return [fill for fill in fills if fill.client_order_id in rejected], bookings

            def cancel(self, client_order_id: str) -> BrokerOrder | None:
                canceled.append(client_order_id)
                if len(canceled) == 1:
                    raise BrokerUnavailable("no route")
                return super().cancel(client_order_id)

        records = world.books.orders.orders(world.sessions[1])
        rejected = {
            one.intent.client_order_id for one in records if one.status is OrderStatus.REJECTED
        }
        written = collect_executions(
            world.ws, session=world.sessions[1], books=world.books, broker=Slow(world)
        )
        assert len(rejected) == 1
        assert set(canceled) == {one.intent.client_order_id for one in records} - rejected
        assert written.facts["cancels"].endswith("1 failed")
        assert written.facts["cancels_failed"] == f"{canceled[0]}: no route"

    def test_a_session_that_is_not_settled_waits(self, world: World) -> None:
        with pytest.raises(MissingSession, match="one after another"):
            world.collect(world.sessions[3])

    def test_executions_of_another_session_are_refused(self, world: World) -> None:
        class Confused(OddBroker):
            def executions(self, session):
                return self.world.broker.executions(self.world.sessions[0])

        with pytest.raises(InvariantBroken, match="nothing was stored"):
            collect_executions(
                world.ws,
                session=world.sessions[1],
                books=world.books,
                broker=Confused(world),
            )


def _collect(world: World):
    return collect_executions(
        world.ws, session=world.sessions[1], books=world.books, broker=world.broker
    )
