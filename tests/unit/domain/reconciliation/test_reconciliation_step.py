from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.support.ledgers import (
    NEXT_SESSION,
    SESSION,
    make_booking,
    make_event,
    make_fill,
    make_order,
    record_orders,
)
from tests.support.reconciled_world import ReconciledWorld, reconciled_world
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import BrokerUnavailable, MissingSession, StaleData
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import (
    BrokerOrder,
    EventSource,
    IncidentKind,
    OrderStatus,
)
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, POSITIONS, BreakKind
from tradegraph_dagster.domain.reconciliation.step import reconcile_session


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReconciledWorld]:
    with reconciled_world(request.param, tmp_path) as opened:
        yield opened


def miss_a_fill(world: ReconciledWorld) -> None:
    """The broker knows an execution that never reached us."""
    world.order("tg1-m", OrderStatus.ACKED, symbol="600036.SH", shares=100)
    lost = make_fill(world.market, name="e2", symbol="600036.SH", client_order_id="tg1-m")
    world.broker.fills.append(lost)
    world.broker.positions["600036.SH"] = 100
    world.broker.cash -= 100 * lost.price + lost.fee
    world.knows("tg1-m", OrderStatus.FILLED, 100, 100)


def leave_an_orphan(world: ReconciledWorld) -> None:
    """The broker works an order under our name that the ledger lacks."""
    stranger = BrokerOrder("tg1-x", "B9", OrderStatus.ACKED, 200, 0, symbol="000001.SZ")
    world.broker.open_orders.append(stranger)


def leave_it_open(world: ReconciledWorld) -> None:
    """An order of ours still works after the close."""
    world.order("tg1-s", OrderStatus.ACKED, symbol="000001.SZ")
    world.knows("tg1-s", OrderStatus.ACKED, 0)


def bring_a_position(world: ReconciledWorld) -> None:
    """Shares that nobody bought."""
    world.broker.positions["601318.SH"] = 77


def lose_shares(world: ReconciledWorld) -> None:
    """One share less, without an execution."""
    world.broker.positions["600000.SH"] = 299


def lose_cash(world: ReconciledWorld) -> None:
    """Two cents less."""
    world.broker.cash -= Decimal("0.02")


def split(world: ReconciledWorld) -> None:
    """Twice the shares, on the day of one for one."""
    world.put_bonus("600000.SH", 1.0)
    world.broker.positions["600000.SH"] = 600


DRIFTS: dict[BreakKind, tuple[Callable[[ReconciledWorld], None], tuple[str, str]]] = {
    BreakKind.MISSING_FILL: (miss_a_fill, ("600036.SH", "e2")),
    BreakKind.ORPHAN_ORDER: (leave_an_orphan, ("000001.SZ", "tg1-x")),
    BreakKind.STALE_ORDER: (leave_it_open, ("000001.SZ", "tg1-s")),
    BreakKind.ORPHAN_POSITION: (bring_a_position, ("601318.SH", "")),
    BreakKind.QTY_MISMATCH: (lose_shares, ("600000.SH", "")),
    BreakKind.CASH_MISMATCH: (lose_cash, ("", "")),
    BreakKind.CORP_ACTION_SUSPECT: (split, ("600000.SH", "")),
}


def test_every_kind_has_a_drift() -> None:
    assert set(DRIFTS) == set(BreakKind)


@pytest.mark.parametrize("kind", list(BreakKind))
def test_a_drift_is_named_raised_and_found_once(world: ReconciledWorld, kind: BreakKind) -> None:
    seed, (symbol, reference) = DRIFTS[kind]
    seed(world)
    _, breaks = world.reconcile()
    assert world.breaks() == {(kind.value, symbol, reference)}
    words = str(breaks.facts["differs"])
    assert breaks.facts == {"breaks": 1, kind.value: 1, "differs": words}
    assert f": {kind.value}: expected " in words
    (incident,) = world.books.incidents.open_incidents()
    assert (incident.kind, incident.symbol) == (IncidentKind.BREAK_FOUND, symbol)
    assert incident.reference == f"{kind}:{reference}"
    # What the ledger could adopt is told to a person and holds nothing back.
    assert incident.blocks == (kind is not BreakKind.MISSING_FILL)
    assert world.books.reconciliations.latest() == (SESSION, 1)
    before = world.content()
    assert world.reconcile()[1] == breaks
    assert world.content() == before


def test_all_drifts_at_once_are_all_named(world: ReconciledWorld) -> None:
    for kind, (seed, _) in DRIFTS.items():
        # Twice the shares and one less of them would be one difference.
        if kind is not BreakKind.QTY_MISMATCH:
            seed(world)
    world.reconcile()
    assert world.breaks() == {
        (kind.value, *about)
        for kind, (_, about) in DRIFTS.items()
        if kind is not BreakKind.QTY_MISMATCH
    }
    assert world.blocked() == {"000001.SZ", "601318.SH", "600000.SH", ""}
    before = world.content()
    world.reconcile()
    assert world.content() == before


def test_equal_books_close_the_session(world: ReconciledWorld) -> None:
    positions, breaks = world.reconcile()
    assert (positions.rows, breaks.rows) == (1, 0)
    assert world.books.reconciliations.latest() == (SESSION, 0)
    assert len(world.books.incidents.open_incidents()) == 0
    price = world.ws.store.read(ADJUSTED_BARS, [SESSION]).filter(symbol="600000.SH")
    close = price["last_raw_close"].item()
    assert world.ws.store.read(POSITIONS, [SESSION]).rows(named=True) == [
        {
            "session": SESSION,
            "symbol": "600000.SH",
            "quantity_shares": 300,
            "sellable_shares": 300,
            "average_cost": 10.1,
            "last_price": close,
            "market_value": 300 * close,
            "realised_pnl": 0.0,
        }
    ]
    before = world.content()
    world.reconcile()
    assert world.content() == before


def test_a_missed_execution_is_booked_in_one_pass(world: ReconciledWorld) -> None:
    miss_a_fill(world)
    world.broker.bookings.append(make_booking(world.market, name="b2", cash=Decimal("12.34")))
    world.broker.cash += Decimal("12.34")
    positions, _ = world.reconcile()
    assert positions.rows == 2
    assert [fill.execution_id for fill in world.books.executions.fills(SESSION)] == ["e1", "e2"]
    order = world.books.orders.order("tg1-m")
    assert order is not None
    assert (order.status, order.filled_shares) == (OrderStatus.FILLED, 100)
    assert world.breaks() == {
        ("missing_fill", "600036.SH", "e2"),
        ("cash_mismatch", "", "b2"),
    }
    assert world.blocked() == set()


@pytest.mark.parametrize("status", [OrderStatus.SUBMITTING, OrderStatus.UNKNOWN, OrderStatus.ACKED])
@pytest.mark.parametrize("end", [OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED])
def test_an_open_order_becomes_what_the_broker_says(
    world: ReconciledWorld, status: OrderStatus, end: OrderStatus
) -> None:
    world.order("tg1-o", status, symbol="000001.SZ")
    world.knows("tg1-o", end, 0)
    world.reconcile()
    order = world.books.orders.order("tg1-o")
    assert order is not None
    assert (order.status, order.source) == (end, EventSource.RECONCILIATION)
    assert world.breaks() == set()


def test_every_open_order_is_asked_for_by_its_id(world: ReconciledWorld) -> None:
    world.order("tg1-o", OrderStatus.ACKED, symbol="000001.SZ")
    world.broker.open_orders.append(BrokerOrder("tg1-o", "B2", OrderStatus.ACKED, 300, 0))
    world.reconcile()
    assert sorted(set(world.broker.asked)) == ["tg1-a", "tg1-o"]
    # The list knows what the single question did not: it is there, and it is open.
    assert world.breaks() == {("stale_order", "000001.SZ", "tg1-o")}


def test_an_acknowledged_order_that_is_gone_is_a_break(world: ReconciledWorld) -> None:
    world.order("tg1-o", OrderStatus.ACKED, symbol="000001.SZ")
    world.reconcile()
    assert world.breaks() == {("stale_order", "000001.SZ", "tg1-o")}


def test_a_filled_status_without_executions_moves_nothing(world: ReconciledWorld) -> None:
    world.order("tg1-o", OrderStatus.ACKED, symbol="000001.SZ")
    world.knows("tg1-o", OrderStatus.FILLED, 300)
    world.reconcile()
    order = world.books.orders.order("tg1-o")
    assert order is not None
    assert order.status is OrderStatus.ACKED
    assert ("missing_fill", "000001.SZ", "tg1-o") in world.breaks()
    assert "000001.SZ" in world.blocked()


def test_an_order_nobody_sent_stays_as_it_is(world: ReconciledWorld) -> None:
    order = make_order(name="tg1-i", decision_id="dec-i", symbol="000001.SZ")
    record_orders(world.books, world.market, order, name="dec-i")
    world.knows("tg1-i", OrderStatus.CANCELED, 0)
    world.reconcile()
    record = world.books.orders.order("tg1-i")
    assert record is not None
    assert record.status is OrderStatus.INTENT
    assert ("orphan_order", "000001.SZ", "tg1-i") in world.breaks()


def test_a_conflict_of_content_is_not_adopted(world: ReconciledWorld) -> None:
    world.broker.fills = [replace(world.broker.fills[0], fee=Decimal("5.02"))]
    world.broker.cash -= Decimal("0.01")
    world.reconcile()
    assert world.breaks() == {("missing_fill", "600000.SH", "e1")}
    assert world.blocked() == {"600000.SH"}
    assert world.books.executions.fills(SESSION)[0].fee == Decimal("5.01")


@pytest.mark.parametrize("question", ["statement", "executions", "order"])
def test_a_question_without_an_answer_is_unknown_and_writes_nothing(
    world: ReconciledWorld, question: str
) -> None:
    miss_a_fill(world)
    world.broker.silent = {question}
    before = world.content()
    with pytest.raises(BrokerUnavailable):
        world.reconcile()
    assert world.content() == before
    assert SESSION not in world.ws.store.partitions(BREAKS.name)


def test_a_later_session_is_closed_while_a_break_stands(world: ReconciledWorld) -> None:
    lose_shares(world)
    world.reconcile()
    raised = world.books.incidents.open_incidents()
    world.reconcile(NEXT_SESSION)
    assert world.books.reconciliations.latest() == (NEXT_SESSION, 1)
    assert world.breaks(NEXT_SESSION) == {("qty_mismatch", "600000.SH", "")}
    assert list(world.books.incidents.open_incidents()) == list(raised)


def test_a_break_that_goes_away_blocks_until_a_person_has_looked(world: ReconciledWorld) -> None:
    lose_shares(world)
    world.reconcile()
    world.broker.positions["600000.SH"] = 300
    world.reconcile()
    assert world.breaks() == set()
    assert world.blocked() == {"600000.SH"}


def test_a_pass_that_died_between_telling_and_booking_ends_the_same(
    world: ReconciledWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    miss_a_fill(world)
    kind = type(world.books.executions)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, "record_executions", die)
        with pytest.raises(KeyboardInterrupt):
            world.reconcile()
    world.reconcile()
    assert world.breaks() == {("missing_fill", "600036.SH", "e2")}
    assert len(world.books.executions.fills(SESSION)) == 2


@pytest.mark.parametrize("blocked", [False, True])
def test_a_holding_whose_bar_was_not_validated_is_valued_at_the_close_before(
    world: ReconciledWorld, blocked: bool
) -> None:
    store = world.ws.store
    before, after = (store.read(ADJUSTED_BARS, [day]) for day in (SESSION, NEXT_SESSION))
    is_held = pl.col("symbol") == "600000.SH"
    close = before.filter(is_held)["last_raw_close"].item()
    last = pl.when(is_held).then(10 * close).otherwise("last_raw_close")
    store.write(ADJUSTED_BARS, NEXT_SESSION, after.with_columns(last_raw_close=last))
    store.write(VALIDATED_BARS, NEXT_SESSION, after.filter(~is_held))
    if blocked:
        store.remove(VALIDATED_BARS.name, NEXT_SESSION)
    world.reconcile()
    world.reconcile(NEXT_SESSION)
    assert store.read(POSITIONS, [NEXT_SESSION])["last_price"].item() == pytest.approx(close)


def test_a_statement_of_another_session_closes_nothing(world: ReconciledWorld) -> None:
    world.broker.statement_session = NEXT_SESSION
    with pytest.raises(StaleData, match="2024-01-04"):
        world.reconcile()
    assert world.books.reconciliations.latest() is None


def test_without_bars_the_session_waits(world: ReconciledWorld) -> None:
    empty = replace(world.ws, store=MemoryFrameStore())
    with pytest.raises(MissingSession):
        reconcile_session(empty, session=SESSION, books=world.books, broker=world.broker)


def test_a_holding_without_a_bar_keeps_its_last_price_or_waits(world: ReconciledWorld) -> None:
    world.reconcile()
    held = world.ws.store.read(POSITIONS, [SESSION])
    others = world.ws.store.read(ADJUSTED_BARS, [NEXT_SESSION]).filter(
        pl.col("symbol") != "600000.SH"
    )
    world.ws.store.write(ADJUSTED_BARS, NEXT_SESSION, others)
    world.reconcile(NEXT_SESSION)
    kept = world.ws.store.read(POSITIONS, [NEXT_SESSION])
    assert kept["last_price"].to_list() == held["last_price"].to_list()
    world.ws.store.write(POSITIONS, SESSION, POSITIONS.empty())
    with pytest.raises(MissingSession, match=r"600000\.SH"):
        world.reconcile(NEXT_SESSION)


def test_a_cent_of_a_difference_is_no_break(world: ReconciledWorld) -> None:
    world.broker.cash += Decimal("0.01")
    assert world.reconcile()[1].rows == 0


def test_a_refused_event_is_stored_once(world: ReconciledWorld) -> None:
    """Whatever the machine makes of an answer, asking again adds nothing."""
    world.order("tg1-o", OrderStatus.ACKED, symbol="000001.SZ")
    world.books.orders.apply(make_event(OrderStatus.CANCELED, name="tg1-o"))
    world.knows("tg1-o", OrderStatus.ACKED, 0)
    world.reconcile()
    assert world.breaks() == {("stale_order", "000001.SZ", "tg1-o")}
    before = world.content()
    world.reconcile()
    assert world.content() == before


def test_a_canceled_rest_and_its_missed_part_come_together(world: ReconciledWorld) -> None:
    miss_a_fill(world)
    world.knows("tg1-m", OrderStatus.CANCELED, 100, 300)
    world.order("tg1-c", OrderStatus.ACKED, symbol="000001.SZ")
    part = make_fill(world.market, name="e3", symbol="000001.SZ", client_order_id="tg1-c")
    world.broker.fills.append(part)
    world.broker.positions["000001.SZ"] = 100
    world.broker.cash -= 100 * part.price + part.fee
    world.knows("tg1-c", OrderStatus.CANCELED, 100)
    world.reconcile()
    order = world.books.orders.order("tg1-c")
    assert order is not None
    assert (order.status, order.filled_shares) == (OrderStatus.CANCELED, 100)
    assert {one.kind for one in world.books.incidents.open_incidents()} == {
        IncidentKind.BREAK_FOUND
    }
    before = world.content()
    world.reconcile()
    assert world.content() == before


def test_an_execution_of_an_earlier_order_finds_it(world: ReconciledWorld) -> None:
    world.reconcile()
    late = make_fill(world.market, name="e4", session=NEXT_SESSION)
    world.broker.fills.append(late)
    world.broker.positions["600000.SH"] = 400
    world.broker.cash -= 100 * late.price + late.fee
    world.reconcile(NEXT_SESSION)
    # The order was full: the fill is booked all the same, and is no stranger.
    assert world.breaks(NEXT_SESSION) == {("missing_fill", "600000.SH", "e4")}
    assert {one.kind for one in world.books.incidents.open_incidents()} == {
        IncidentKind.BREAK_FOUND,
        IncidentKind.OVERFILL,
    }


def test_an_empty_book_has_no_positions(world: ReconciledWorld) -> None:
    world.order("tg1-z", OrderStatus.ACKED, symbol="600000.SH")
    sold = make_fill(
        world.market, name="e5", client_order_id="tg1-z", side=Side.SELL, quantity_shares=300
    )
    world.broker.fills.append(sold)
    world.broker.positions = {}
    world.broker.cash += 300 * sold.price - sold.fee
    world.knows("tg1-z", OrderStatus.FILLED, 300)
    positions, _ = world.reconcile()
    assert positions.rows == 0
    assert world.ws.store.read(POSITIONS, [SESSION]).equals(POSITIONS.empty())


def test_an_adopted_fact_that_is_disputed_later_blocks(world: ReconciledWorld) -> None:
    miss_a_fill(world)
    world.reconcile()
    assert world.blocked() == set()
    first, second = world.broker.fills
    world.broker.fills = [first, replace(second, fee=Decimal("6.00"))]
    world.reconcile()
    assert world.breaks() == {("missing_fill", "600036.SH", "e2")}
    assert world.blocked() == {"600036.SH"}


def test_a_bust_that_undoes_nothing_of_ours_is_not_booked_and_blocks(
    world: ReconciledWorld,
) -> None:
    bust = replace(world.broker.fills[0], execution_id="e9", busts="e1", price=Decimal(11))
    world.broker.fills.append(bust)
    world.reconcile()
    assert ("missing_fill", "600000.SH", "e9") in world.breaks()
    assert "600000.SH" in world.blocked()
    assert [fill.execution_id for fill in world.books.executions.fills(SESSION)] == ["e1"]
    before = world.content()
    world.reconcile()
    assert world.content() == before


def test_a_bust_is_adopted(world: ReconciledWorld) -> None:
    bust = replace(world.broker.fills[0], execution_id="e9", busts="e1")
    world.broker.fills.append(bust)
    world.broker.positions = {}
    world.broker.cash = world.broker.bookings[0].cash
    world.knows("tg1-a", OrderStatus.CANCELED, 0)
    world.reconcile()
    assert world.books.executions.fills(SESSION)[1] == bust
    assert ("missing_fill", "600000.SH", "e9") in world.breaks()
    assert not {kind for kind, _, _ in world.breaks()} & {"qty_mismatch", "cash_mismatch"}
    before = world.content()
    world.reconcile()
    assert world.content() == before
