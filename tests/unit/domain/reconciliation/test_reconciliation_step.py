from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.support.ledgers import (
    NEXT_SESSION,
    SESSION,
    make_booking,
    make_decision,
    make_fill,
    make_intent,
    sql_place,
)
from tests.support.make_bars import known_after, make_adjusted_bars
from tests.support.plain_market import PlainMarket
from tests.support.stated_broker import StatedBroker
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.domain.core.errors import MissingSession, NotReconciled, StaleData
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.schema import BREAKS, POSITIONS
from tradegraph_dagster.domain.reconciliation.step import reconcile_session

SYMBOLS = ("000001.SZ", "600000.SH", "600036.SH", "601318.SH")


@dataclass
class World:
    """One session after its close: lake, ledger and broker agree until a test makes a break."""

    ws: Workspace
    ledger: SqlLedger
    broker: StatedBroker
    market: str

    def reconcile(self, session: date = SESSION) -> tuple[Written, Written]:
        return reconcile_session(
            self.ws, session=session, books=self.ledger.books, broker=self.broker
        )

    def breaks(self) -> pl.DataFrame:
        return self.ws.store.read(BREAKS, [SESSION])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = MemoryFrameStore()
    bars = make_adjusted_bars([SESSION, NEXT_SESSION], SYMBOLS)
    for (session,), part in bars.partition_by("session", as_dict=True).items():
        store.write(ADJUSTED_BARS, session, part)
        store.write(VALIDATED_BARS, session, part)
    with sql_place("sqlite", tmp_path) as place:
        ledger, market = place.open(), place.market
        ledger.books.decisions.record_decision(make_decision(market), [make_intent(market)])
        fill = make_fill(market, quantity_shares=300)
        deposit = make_booking(market)
        ledger.books.executions.record_executions([fill], [deposit])
        for before, after in (("intent", "submitting"), ("submitting", "filled")):
            ledger.books.orders.advance("tg1-a", OrderStatus(before), OrderStatus(after))
        broker = StatedBroker(
            positions={"600000.SH": 300},
            cash=deposit.cash - 300 * fill.price - fill.fee,
            fills=[fill],
            bookings=[deposit],
            orders={"tg1-a": BrokerOrder("tg1-a", "B1", OrderStatus.FILLED, 300, 300)},
        )
        yield World(Workspace(PlainMarket(), store, SESSION), ledger, broker, market)
        ledger.close()


def test_equal_books_close_the_session(world: World) -> None:
    positions, breaks = world.reconcile()
    assert (positions.rows, breaks.rows) == (1, 0)
    assert world.ledger.books.reconciliations.latest() == (SESSION, 0)
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


def seed_every_kind(world: World) -> None:
    """A lost fill, a stranger's order, a stuck order, a foreign, a lost and a split holding."""
    market, books, broker = world.market, world.ledger.books, world.broker
    names = {"tg1-stuck": "000001.SZ", "tg1-split": "600036.SH"}
    books.decisions.record_decision(
        make_decision(market, name="dec-b"),
        [
            make_intent(market, name=name, symbol=symbol, decision_id="dec-b")
            for name, symbol in names.items()
        ],
    )
    books.orders.advance("tg1-stuck", OrderStatus.INTENT, OrderStatus.UNKNOWN)
    books.orders.advance("tg1-split", OrderStatus.INTENT, OrderStatus.FILLED)
    split = make_fill(
        market, name="e3", symbol="600036.SH", client_order_id="tg1-split", quantity_shares=300
    )
    books.executions.record_executions([split], [])
    stranger = make_fill(market, name="e9", symbol="000001.SZ", client_order_id="not-ours")
    broker.fills += [split, stranger, make_fill(market, name="e2", quantity_shares=1)]
    broker.orders["tg1-split"] = BrokerOrder("tg1-split", "B2", OrderStatus.FILLED, 300, 300)
    broker.positions |= {"600000.SH": 301, "600036.SH": 600, "000001.SZ": 100}
    action = {
        "session": SESSION,
        "symbol": "600036.SH",
        "cash_per_share": 0.0,
        "bonus_ratio": 1.0,
        "rights_ratio": 0.0,
        "rights_price": 0.0,
        "split_ratio": 1.0,
        "source": "test",
        "known_at": known_after(SESSION),
    }
    frame = conform_frame(pl.DataFrame([action]), CORPORATE_ACTIONS)
    world.ws.store.write(CORPORATE_ACTIONS, SESSION, frame)


def test_every_kind_of_break_is_named(world: World) -> None:
    seed_every_kind(world)
    _, breaks = world.reconcile()
    found = set(world.breaks().select("kind", "symbol", "reference").iter_rows())
    assert {
        ("missing_fill", "600000.SH", "e2"),
        ("missing_fill", "000001.SZ", "e9"),
        ("orphan_order", "000001.SZ", "not-ours"),
        ("stale_order", "000001.SZ", "tg1-stuck"),
        ("orphan_position", "000001.SZ", ""),
        ("qty_mismatch", "600000.SH", ""),
        ("corp_action_suspect", "600036.SH", ""),
        ("cash_mismatch", "", ""),
    } <= found
    assert world.ledger.books.reconciliations.latest() == (SESSION, breaks.rows)
    assert breaks.facts["breaks"] == breaks.rows
    assert breaks.facts["orphan_position"] == 1


@pytest.mark.parametrize("with_breaks", [False, True])
def test_a_second_pass_writes_nothing_new(world: World, with_breaks: bool) -> None:
    if with_breaks:
        seed_every_kind(world)
    first = world.reconcile()
    entries = list(world.ledger.audit.entries())
    assert world.reconcile() == first
    assert list(world.ledger.audit.entries()) == entries


def test_repairing_every_break_closes_the_session(world: World) -> None:
    intent = make_intent(world.market, name="tg1-b", decision_id="dec-b", quantity_shares=100)
    books = world.ledger.books
    books.decisions.record_decision(make_decision(world.market, name="dec-b"), [intent])
    books.orders.advance("tg1-b", OrderStatus.INTENT, OrderStatus.FILLED)
    world.broker.orders["tg1-b"] = BrokerOrder("tg1-b", "B2", OrderStatus.FILLED, 100, 100)
    lost = make_fill(world.market, name="e2", quantity_shares=100, client_order_id="tg1-b")
    world.broker.fills.append(lost)
    world.broker.positions["600000.SH"] = 400
    world.broker.cash -= 100 * lost.price + lost.fee
    world.reconcile()
    assert set(world.breaks()["kind"]) == {"missing_fill", "qty_mismatch", "cash_mismatch"}
    books.executions.record_executions([lost], [])
    world.reconcile()
    assert world.breaks().is_empty()
    assert world.ledger.books.reconciliations.latest() == (SESSION, 0)


def test_breaks_are_not_forgotten_by_waiting_a_day(world: World) -> None:
    world.broker.cash += 5
    world.reconcile()
    world.broker.cash -= 5
    with pytest.raises(NotReconciled) as refused:
        world.reconcile(NEXT_SESSION)
    told = str(refused.value)
    assert f"the books of {SESSION} have 1 breaks (cash_mismatch): clear them" in told
    assert f"fills and positions of {SESSION} again" in told
    assert NEXT_SESSION not in world.ws.store.partitions(BREAKS.name)
    assert NEXT_SESSION not in world.ws.store.partitions(POSITIONS.name)
    assert world.ledger.books.reconciliations.latest() == (SESSION, 1)
    world.reconcile()
    world.reconcile(NEXT_SESSION)
    assert world.ledger.books.reconciliations.latest() == (NEXT_SESSION, 0)


def test_breaks_are_named_even_where_their_table_is_gone(world: World) -> None:
    world.broker.cash += 5
    world.reconcile()
    world.ws.store.remove(BREAKS.name, SESSION)
    with pytest.raises(NotReconciled, match="have 1 breaks"):
        world.reconcile(NEXT_SESSION)


@pytest.mark.parametrize("blocked", [False, True])
def test_a_holding_whose_bar_was_not_validated_is_valued_at_the_close_before(
    world: World, blocked: bool
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


def test_a_statement_of_another_session_closes_nothing(world: World) -> None:
    world.broker.statement_session = NEXT_SESSION
    with pytest.raises(StaleData, match="2024-01-04"):
        world.reconcile()
    assert world.ledger.books.reconciliations.latest() is None


def test_without_bars_the_session_waits(world: World) -> None:
    empty = replace(world.ws, store=MemoryFrameStore())
    with pytest.raises(MissingSession):
        reconcile_session(empty, session=SESSION, books=world.ledger.books, broker=world.broker)


def test_a_holding_without_a_bar_keeps_its_last_price_or_waits(world: World) -> None:
    world.reconcile()
    held = world.ws.store.read(POSITIONS, [SESSION])
    others = world.ws.store.read(ADJUSTED_BARS, [NEXT_SESSION]).filter(
        pl.col("symbol") != "600000.SH"
    )
    world.ws.store.write(ADJUSTED_BARS, NEXT_SESSION, others)
    reconcile_session(world.ws, session=NEXT_SESSION, books=world.ledger.books, broker=world.broker)
    kept = world.ws.store.read(POSITIONS, [NEXT_SESSION])
    assert kept["last_price"].to_list() == held["last_price"].to_list()
    world.ws.store.write(POSITIONS, SESSION, POSITIONS.empty())
    with pytest.raises(MissingSession, match=r"600000\.SH"):
        reconcile_session(
            world.ws, session=NEXT_SESSION, books=world.ledger.books, broker=world.broker
        )


def test_a_cent_of_a_difference_is_no_break(world: World) -> None:
    world.broker.cash += Decimal("0.01")
    assert world.reconcile()[1].rows == 0
