from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.ledgers import make_booking, make_decision, make_fill, make_intent, sql_place
from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.plain_market import PlainMarket
from tests.support.stated_broker import StatedBroker
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.orders.schema import BrokerOrder, OrderStatus
from tradegraph_dagster.domain.performance.schema import DAILY_PNL
from tradegraph_dagster.domain.performance.step import measure_session
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.reconciliation.step import reconcile_session
from tradegraph_dagster.domain.universe.schema import UNIVERSE

SESSIONS = weekdays(4, date(2024, 1, 2))
SYMBOLS = ("000001.SZ", "600000.SH", "600036.SH")


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
        orders = {"tg1-a": BrokerOrder("tg1-a", "B1", OrderStatus.FILLED, 1000, 1000)}
        broker = StatedBroker(held, book.cash, fills, bookings, orders)
        reconcile_session(self.ws, session=session, books=self.books, broker=broker)
        measure_session(self.ws, session=session, books=self.books)
        return self.ws.store.read(DAILY_PNL, [session]).row(0, named=True)

    def close(self, session: date, symbol: str = "600000.SH") -> float:
        found: float = self.bars.filter(session=session, symbol=symbol)["raw_close"].item()
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
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
    with sql_place("sqlite", tmp_path) as place:
        ledger = place.open()
        day = {"session": SESSIONS[0]}
        intent = make_intent(place.market, quantity_shares=1000, **day)
        ledger.books.decisions.record_decision(make_decision(place.market, **day), [intent])
        ledger.books.orders.advance("tg1-a", OrderStatus.INTENT, OrderStatus.FILLED)
        ledger.books.executions.record_executions(
            [make_fill(place.market, session=SESSIONS[0], quantity_shares=1000)],
            [make_booking(place.market, session=SESSIONS[0])],
        )
        yield World(Workspace(PlainMarket(), store, SESSIONS[0]), ledger.books, place.market, bars)
        ledger.close()


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
    late = make_fill(world.market, name="e2", session=SESSIONS[2], price=Decimal(9))
    world.books.executions.record_executions([late], [])
    assert measure_session(world.ws, session=SESSIONS[1], books=world.books).fingerprint == before


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
