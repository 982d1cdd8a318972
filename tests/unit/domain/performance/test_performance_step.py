from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from tests.support.ledgers import NOW, make_booking, make_fill, make_order, record_orders, send
from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import PlainMarket
from tests.support.stated_broker import StatedBroker
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.core.ids import client_order_id, decision_id
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus
from tradegraph_dagster.domain.performance.schema import DAILY_PNL, STRATEGY_PNL
from tradegraph_dagster.domain.performance.step import measure_session
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.step import reconcile_session
from tradegraph_dagster.domain.universe.schema import UNIVERSE

SESSIONS = weekdays(4, date(2024, 1, 2))
SYMBOLS = ("000001.SZ", "600000.SH", "600036.SH")
DAY = {"session": SESSIONS[0]}
DECISION = decision_id(market="plain", strategy="momentum", session=SESSIONS[0])
BOUGHT = client_order_id(decision=DECISION, symbol="600000.SH", leg="buy")


@dataclass
class World:
    ws: Workspace
    books: TradingBooks
    market: str
    bars: pl.DataFrame

    def measure(self, session: date) -> dict[str, Any]:
        """Reconcile with a broker that agrees, and measure a session."""
        fills, bookings = (
            list(read(session))
            for read in (self.books.executions.fills, self.books.executions.bookings)
        )
        book = executions_to_book(fills, bookings, session=session, unsellable_sessions=1)
        held = {symbol: one.quantity_shares for symbol, one in book.positions.items()}
        orders = {BOUGHT: BrokerOrder(BOUGHT, "B1", OrderStatus.FILLED, 1000, 1000)}
        broker = StatedBroker(held, book.cash, fills, bookings, orders)
        reconcile_session(self.ws, session=session, books=self.books, broker=broker)
        measure_session(self.ws, session=session, books=self.books)
        return self.ws.store.read(DAILY_PNL, [session]).row(0, named=True)

    def close(self, session: date, symbol: str = "600000.SH") -> float:
        found: float = self.bars.filter(session=session, symbol=symbol)["raw_close"].item()
        return found


@pytest.fixture
def world() -> World:
    store = MemoryFrameStore()
    bars = make_adjusted_bars(SESSIONS, SYMBOLS)
    universe = bars.select(
        "session",
        "symbol",
        "is_suspended",
        "is_st",
        "sessions_listed",
        is_member=pl.col("symbol") != SYMBOLS[0],
        mean_amount=pl.lit(1.0),
    )
    validated = (VALIDATED_BARS, bars)
    for schema, frame in (
        (ADJUSTED_BARS, bars),
        validated,
        (UNIVERSE, conform_frame(universe, UNIVERSE)),
    ):
        for (session,), part in frame.partition_by("session", as_dict=True).items():
            store.write(schema, session, part)
    books = memory_books(market="plain", clock=FixedClock(NOW))
    order = make_order(name=BOUGHT, decision_id=DECISION, quantity_shares=1000)
    record_orders(books, "plain", order, name=DECISION, strategy="momentum", **DAY)
    send(books, BOUGHT)
    books.executions.record_executions(
        [make_fill("plain", client_order_id=BOUGHT, quantity_shares=1000, **DAY)],
        [make_booking("plain", **DAY)],
    )
    return World(Workspace(PlainMarket(), store, SESSIONS[0]), books, "plain", bars)


def test_sessions_chain_into_one_equity_curve(world: World) -> None:
    rows = [world.measure(session) for session in SESSIONS]
    cash = 1_000_000 - 10_100 - 5.01
    for row, session in zip(rows, SESSIONS, strict=True):
        assert row["equity"] == pytest.approx(cash + 1000 * world.close(session))
    assert rows[0]["pnl"] == pytest.approx(rows[0]["equity"] - 1_000_000)
    for earlier, later in pairwise(rows):
        assert later["pnl"] == pytest.approx(later["equity"] - earlier["equity"])
        assert later["fees"] == later["traded_notional"] == 0.0
    peak = max(row["equity"] for row in rows)
    assert rows[-1]["drawdown_frac"] == pytest.approx(1 - rows[-1]["equity"] / peak)


def test_the_benchmark_reads_yesterdays_members(world: World) -> None:
    first, second = world.measure(SESSIONS[0]), world.measure(SESSIONS[1])
    members = [
        world.close(SESSIONS[1], name) / world.close(SESSIONS[0], name) - 1 for name in SYMBOLS[1:]
    ]
    assert first["benchmark_return_frac"] == 0.0
    assert second["benchmark_return_frac"] == pytest.approx(sum(members) / 2)


@pytest.mark.parametrize("blocked", [False, True])
def test_a_close_that_was_not_validated_is_neither_profit_nor_loss(
    world: World, blocked: bool
) -> None:
    store = world.ws.store
    bars = store.read(ADJUSTED_BARS, [SESSIONS[1]])
    wild = bars.with_columns(last_raw_close=pl.col("last_raw_close") * 10)
    store.write(ADJUSTED_BARS, SESSIONS[1], wild)
    store.write(VALIDATED_BARS, SESSIONS[1], bars.filter(pl.col("symbol") != "600000.SH"))
    if blocked:
        store.remove(VALIDATED_BARS.name, SESSIONS[1])
    rows = [world.measure(session) for session in SESSIONS[:3]]
    assert rows[1]["pnl"] == pytest.approx(0.0, abs=0.005)
    assert rows[2]["pnl"] == pytest.approx(
        1000 * (world.close(SESSIONS[2]) - world.close(SESSIONS[0]))
    )


def test_measuring_again_gives_the_same_bytes(world: World) -> None:
    for session in SESSIONS[:3]:
        world.measure(session)
    before = world.ws.store.fingerprint(DAILY_PNL.name, SESSIONS[1])
    late = make_fill(
        world.market, name="e2", session=SESSIONS[2], price=Decimal(9), client_order_id="tg1-b"
    )
    world.books.executions.record_executions([late], [])
    account, _ = measure_session(world.ws, session=SESSIONS[1], books=world.books)
    assert account.fingerprint == before


@pytest.mark.parametrize("measured", [0, 1])
def test_sessions_are_measured_in_order(world: World, measured: int) -> None:
    for session in SESSIONS[:measured]:
        world.measure(session)
    with pytest.raises(MissingSession, match="in order"):
        world.measure(SESSIONS[2])


def test_a_first_session_stands_alone(world: World) -> None:
    assert world.measure(SESSIONS[0])["positions"] == 1


def test_before_reconciliation_the_session_waits(world: World) -> None:
    with pytest.raises(MissingSession, match="positions"):
        measure_session(world.ws, session=SESSIONS[0], books=world.books)


def lines(world: World, session: date) -> list[dict[str, Any]]:
    return world.ws.store.read(STRATEGY_PNL, [session]).rows(named=True)


def test_the_strategy_of_an_order_carries_its_profit(world: World) -> None:
    rows = [world.measure(session) for session in SESSIONS]
    for row, session in zip(rows, SESSIONS, strict=True):
        (line,) = lines(world, session)
        assert (line["strategy"], line["symbol"]) == ("momentum", "600000.SH")
        assert line["quantity_shares"] == 1000
        assert line["pnl"] == pytest.approx(row["pnl"], abs=0.01)
        assert line["pnl_to_date"] == pytest.approx(row["pnl_to_date"], abs=0.01)
        assert line["fees"] == pytest.approx(row["fees"])
        assert line["unrealised_pnl"] == pytest.approx(row["unrealised_pnl"])
    assert rows[-1]["max_drawdown_frac"] == max(row["drawdown_frac"] for row in rows)
    assert rows[-1]["concentration_hhi"] == 1.0
    assert rows[-1]["net_exposure_frac"] == rows[-1]["gross_exposure_frac"]


def test_the_facts_say_whose_profit_it_was_and_what_moved_it(world: World) -> None:
    world.measure(SESSIONS[0])
    _, by_strategy = measure_session(world.ws, session=SESSIONS[0], books=world.books)
    (line,) = lines(world, SESSIONS[0])
    assert by_strategy.facts == {
        "pnl_momentum": line["pnl"],
        "largest_moves": f"600000.SH {line['pnl']:+.2f}",
    }


def test_what_nobody_ordered_has_a_line_of_its_own(world: World) -> None:
    stray = make_fill(
        world.market,
        name="e9",
        symbol="600036.SH",
        client_order_id="tg1-stray",
        session=SESSIONS[1],
        price=Decimal(str(world.close(SESSIONS[1], "600036.SH"))),
    )
    fee = make_booking(
        world.market, name="b9", kind="charge", cash=Decimal(-7), session=SESSIONS[1]
    )
    world.books.executions.record_executions([stray], [fee])
    world.measure(SESSIONS[0])
    row = world.measure(SESSIONS[1])
    found = {(line["strategy"], line["symbol"]): line["pnl"] for line in lines(world, SESSIONS[1])}
    assert set(found) == {("momentum", "600000.SH"), ("", "600036.SH"), ("", "")}
    assert found["", ""] == -7.0
    assert row["adjustments"] == -7.0
    assert sum(found.values()) == pytest.approx(row["pnl"], abs=0.01)


def test_lines_that_were_never_measured_are_folded_from_the_ledger(world: World) -> None:
    for session in SESSIONS[:3]:
        world.measure(session)
    kept = lines(world, SESSIONS[2])
    for session in SESSIONS[:2]:
        world.ws.store.remove(STRATEGY_PNL.name, session)
    measure_session(world.ws, session=SESSIONS[2], books=world.books)
    assert lines(world, SESSIONS[2]) == kept


def test_an_older_row_without_the_new_columns_goes_on(world: World) -> None:
    row = world.measure(SESSIONS[0])
    added = ("net_exposure_frac", "concentration_hhi", "unrealised_pnl", "pnl_to_date")
    older = world.ws.store.read(DAILY_PNL, [SESSIONS[0]]).with_columns(
        **{
            name: pl.lit(None, pl.Float64)
            for name in (*added, "max_drawdown_frac", "adjustments", "deposits")
        }
    )
    world.ws.store.write(DAILY_PNL, SESSIONS[0], older)
    later = world.measure(SESSIONS[1])
    assert later["pnl_to_date"] == pytest.approx(row["pnl"] + later["pnl"])
    assert later["deposits"] == later["adjustments"] == 0.0


def test_what_becomes_known_late_counts_on_the_day_it_is_known(world: World) -> None:
    first = world.measure(SESSIONS[0])
    sale = make_fill(
        world.market,
        name="e2",
        client_order_id=BOUGHT,
        session=SESSIONS[0],
        side=Side.SELL,
        quantity_shares=50,
        price=Decimal("12.10"),
        fee=Decimal(3),
    )
    late = [
        make_booking(world.market, name=kind, kind=kind, symbol=symbol, cash=cash, **DAY)
        for kind, symbol, cash in (
            ("dividend", "600000.SH", Decimal("4.50")),
            ("charge", "", Decimal("-0.75")),
            ("deposit", "", Decimal(500)),
        )
    ]
    world.books.executions.record_executions([sale], late)
    rows = [world.measure(session) for session in SESSIONS[1:3]]
    known = rows[0]
    assert (known["realised_pnl"], known["fees"]) == (100.0, 3.0)
    assert (known["dividends"], known["adjustments"], known["deposits"]) == (4.5, -0.75, 500.0)
    for before, row, session in zip([first, known], rows, SESSIONS[1:3], strict=True):
        revalued = row["unrealised_pnl"] - before["unrealised_pnl"]
        parts = row["realised_pnl"] + revalued - row["fees"] + row["dividends"] + row["adjustments"]
        assert row["pnl"] == pytest.approx(parts, abs=1e-6)
        found = lines(world, session)
        for column in ("pnl", "realised_pnl", "fees"):
            assert sum(line[column] for line in found) == pytest.approx(row[column], abs=1e-6)
    names = ("realised_pnl", "fees", "dividends", "adjustments", "deposits")
    assert [rows[1][name] for name in names] == [0.0] * len(names)


def test_shares_from_outside_are_no_profit(world: World) -> None:
    brought = make_booking(
        world.market,
        name="b9",
        kind="transfer",
        symbol="600036.SH",
        shares=100,
        cash=Decimal(0),
        session=SESSIONS[1],
    )
    world.books.executions.record_executions([], [brought])
    rows = [world.measure(session) for session in SESSIONS[:3]]
    moved = {
        session: 100 * (world.close(session, "600036.SH") - world.close(before, "600036.SH"))
        for before, session in pairwise(SESSIONS[:3])
    }
    for number, session in enumerate(SESSIONS[1:3], start=1):
        own = 1000 * (world.close(session) - world.close(SESSIONS[number - 1]))
        late = moved[session] if number == 2 else 0.0
        assert rows[number]["pnl"] == pytest.approx(own + late, abs=0.01)
        found = sum(line["pnl"] for line in lines(world, session))
        assert found == pytest.approx(rows[number]["pnl"], abs=0.01)
    (line,) = (one for one in lines(world, SESSIONS[2]) if one["symbol"] == "600036.SH")
    assert line["transferred_to_date"] == pytest.approx(100 * world.close(SESSIONS[1], "600036.SH"))
    assert line["strategy"] == ""
