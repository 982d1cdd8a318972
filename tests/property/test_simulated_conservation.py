"""A year of random sessions at the simulated broker conserves cash and shares, and respects T+1."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.support.trading_world import FeeMarket, make_actions, make_intent, make_world
from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS
from tradegraph_dagster.adapters.simulated.settlement import (
    Account,
    Settlement,
    apply_actions,
    settle_orders,
)
from tradegraph_dagster.adapters.simulated.tape import Tape
from tradegraph_dagster.domain.core.money import CENT
from tradegraph_dagster.domain.markets.lots import legal_sell_quantity
from tradegraph_dagster.domain.markets.schema import LotRule, PriceBand, Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.entitlements import frame_to_actions
from tradegraph_dagster.domain.orders.schema import OrderIntent
from tradegraph_dagster.domain.reconciliation.schema import BREAKS
from tradegraph_dagster.domain.reconciliation.step import reconcile_session

SESSIONS = 250
NAMES = [f"N{number:02d}" for number in range(30)]
LOT = LotRule(100, 100, 1_000_000)
MARKET = FeeMarket()
OPENING = Decimal(300_000)


def random_tape(rng: np.random.Generator, symbol: str) -> Tape | None:
    kind = rng.choice(["normal", "limit_up", "limit_down", "suspended", "absent"], p=KINDS)
    cents = int(rng.integers(50, 5_000))
    upper, lower = cents + cents // 10 + 1, cents - cents // 10
    low, high = sorted(int(x) for x in rng.integers(lower, upper + 1, 2))
    price = int(rng.integers(low, high + 1))
    if kind == "absent":
        return None
    if kind == "limit_up":
        low = high = price = upper
    if kind == "limit_down":
        low = high = price = lower
    return Tape(
        symbol,
        None if kind == "suspended" else Decimal(price).scaleb(-2),
        Decimal(low).scaleb(-2),
        Decimal(high).scaleb(-2),
        int(rng.integers(0, 60_000)),
        PriceBand(Decimal(lower).scaleb(-2), Decimal(upper).scaleb(-2)),
        LOT,
    )


KINDS = [0.85, 0.04, 0.04, 0.05, 0.02]


def random_orders(
    rng: np.random.Generator, session: date, holdings: dict[str, int]
) -> list[OrderIntent]:
    orders = []
    for symbol in rng.choice(NAMES, 10, replace=False):
        held = holdings.get(str(symbol), 0)
        if held and rng.random() < 0.6:
            shares = legal_sell_quantity(int(rng.integers(1, held + 1)), held, LOT)
            side = Side.SELL
        else:
            shares, side = int(rng.integers(1, 60)) * 100, Side.BUY
        if shares:
            orders.append(make_intent(session, str(symbol), shares, side=side))
    return orders


def random_actions(rng: np.random.Generator, session: date):
    chosen = [str(symbol) for symbol in rng.choice(NAMES, 2, replace=False)]
    events = (
        {"symbol": chosen[0], "cash_per_share": 0.137, "bonus_ratio": 0.3},
        {"symbol": chosen[1], "split_ratio": float(rng.choice([0.1, 2.0, 1.5]))},
    )
    return frame_to_actions(make_actions(session, *events))


def check_session(before: Account, settlement: Settlement, tapes: dict[str, Tape]) -> None:
    after = settlement.account
    assert after.cash >= 0
    assert all(shares > 0 for shares in after.holdings.values())
    flow = Decimal(0)
    for fill in settlement.fills:
        sign = 1 if fill.side is Side.BUY else -1
        notional = fill.price * fill.quantity_shares
        flow -= sign * notional + fill.fee
        expected = MARKET.fees(fill.side, notional, fill.session, shares=fill.quantity_shares)
        assert fill.fee == expected.total
        tape = tapes[fill.symbol]
        assert tape.low <= fill.price <= tape.high
        assert fill.price % CENT == 0
        assert tape.band is not None
        limit = tape.band.upper if sign > 0 else tape.band.lower
        assert tape.price != limit
        assert fill.quantity_shares <= tape.volume_shares * 0.1
        if sign < 0:
            assert fill.quantity_shares <= before.holdings[fill.symbol]
        else:
            assert fill.quantity_shares % 100 == 0
    assert after.cash - before.cash == flow


@pytest.mark.parametrize("seed", [1, 2])
def test_a_year_of_thirty_names_conserves_cash_and_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    account, fills, bookings = Account(OPENING), [], []
    options = OPTIONS(slippage_bps=5.0)
    for session in MARKET.calendar.sessions[:SESSIONS]:
        account, booked = apply_actions(
            account, random_actions(rng, session), market="plain", session=session
        )
        tapes = {name: tape for name in NAMES if (tape := random_tape(rng, name))}
        settlement = settle_orders(
            account,
            random_orders(rng, session, dict(account.holdings)),
            tapes,
            market=MARKET,
            options=options,
            filled_at=datetime.min,  # noqa: DTZ901
        )
        check_session(account, settlement, tapes)
        account = settlement.account
        fills += settlement.fills
        bookings += booked
    book = executions_to_book(
        fills, bookings, session=MARKET.calendar.sessions[SESSIONS], unsellable_sessions=1
    )
    held = {name: one.quantity_shares for name, one in book.positions.items()}
    assert {name: shares for name, shares in held.items() if shares} == account.holdings
    assert OPENING + book.cash == account.cash
    assert len(fills) > 1_000
    assert {fill.side for fill in fills} == set(Side)


@pytest.mark.parametrize("fill_at", ["open", "close", "vwap"])
def test_a_month_through_the_steps_agrees_with_the_broker(tmp_path: Path, fill_at: str) -> None:
    names = [f"N{number}" for number in range(8)]
    world = make_world(
        tmp_path,
        days=22,
        symbols=names,
        options={"fill_at": fill_at, "opening_cash": "500000", "slippage_bps": 3},
    )
    rng = np.random.default_rng(7)
    for session in world.sessions[5::4]:
        world.put_actions(
            session,
            {"symbol": "N0", "cash_per_share": 0.11, "bonus_ratio": 0.3},
            {"symbol": "N3", "split_ratio": 2.0},
        )
    world.settle(world.sessions[0])
    for previous, session in zip(world.sessions, world.sessions[1:], strict=False):
        chosen = sorted(str(name) for name in rng.choice(names, 5, replace=False))
        world.put_weights(previous, dict.fromkeys(chosen, 0.19))
        world.decide(session)
        world.submit(session)
        world.collect(session)
        _, breaks = reconcile_session(
            world.ws, session=session, books=world.books, broker=world.broker
        )
        assert breaks.rows == 0, world.ws.store.read(BREAKS, [session])
        assert world.broker.statement(session).cash >= 0
    assert len(world.books.executions.fills(world.sessions[-1])) > 50
    assert world.books.reconciliations.latest() == (world.sessions[-1], 0)
