from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tests.support.ledgers import NEXT_SESSION, SESSION, make_booking, make_fill
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.schema import Book, Booking, Fill
from tradegraph_dagster.domain.performance.pnl import (
    activity_to_pnl,
    rows_to_history,
    universe_to_benchmark,
)
from tradegraph_dagster.domain.performance.schema import (
    Benchmark,
    EquityHistory,
    SessionActivity,
)

EMPTY = Book(session=None, positions={}, cash=Decimal(0), fees=Decimal(0))
DEPOSIT = make_booking("cn", cash=Decimal(100_000))
BOUGHT = make_fill("cn", quantity_shares=1000, price=Decimal("10.00"), fee=Decimal("5.00"))
SOLD = make_fill(
    "cn",
    name="e2",
    side=Side.SELL,
    quantity_shares=400,
    price=Decimal("11.00"),
    fee=Decimal("6.20"),
    session=NEXT_SESSION,
)


def fold(fills: Sequence[Fill], bookings: Sequence[Booking]) -> Book:
    return executions_to_book(fills, bookings, session=NEXT_SESSION, unsellable_sessions=1)


FIRST = SessionActivity(SESSION, fold([BOUGHT], [DEPOSIT]), EMPTY, [BOUGHT], [DEPOSIT])
SECOND = SessionActivity(
    NEXT_SESSION, fold([BOUGHT, SOLD], [DEPOSIT]), fold([BOUGHT], [DEPOSIT]), [SOLD], []
)


def measure(
    activity: SessionActivity, price: float, previous: float = 0.0, peak: float = 0.0
) -> dict[str, Any]:
    frame = activity_to_pnl(
        activity,
        {"600000.SH": price},
        history=EquityHistory(previous, peak),
        benchmark=Benchmark(0.01, 3, 1),
    )
    return frame.row(0, named=True)


def test_a_first_session_measures_against_its_deposit() -> None:
    row = measure(FIRST, 10.5)
    assert row == {
        "session": SESSION,
        "equity": 100_495.0,
        "cash": 89_995.0,
        "market_value": 10_500.0,
        "pnl": 495.0,
        "return_frac": 0.00495,
        "fees": 5.0,
        "dividends": 0.0,
        "realised_pnl": 0.0,
        "traded_notional": 10_000.0,
        "turnover_frac": 0.1,
        "benchmark_return_frac": 0.01,
        "gross_exposure_frac": pytest.approx(10_500 / 100_495),
        "largest_position_frac": pytest.approx(10_500 / 100_495),
        "drawdown_frac": 0.0,
        "positions": 1,
        "net_exposure_frac": pytest.approx(10_500 / 100_495),
        "concentration_hhi": 1.0,
        "unrealised_pnl": 500.0,
        "adjustments": 0.0,
        "pnl_to_date": 495.0,
        "max_drawdown_frac": 0.0,
        "deposits": 100000.0,
    }


def test_a_later_session_measures_against_the_previous_equity() -> None:
    row = measure(SECOND, 10.0, previous=100_495.0, peak=101_000.0)
    equity = 100_000 - 5 - 6.2 - 10_000 + 4_400 + 600 * 10.0
    assert row["equity"] == equity
    assert row["pnl"] == pytest.approx(equity - 100_495)
    assert row["return_frac"] == pytest.approx((equity - 100_495) / 100_495)
    assert (row["realised_pnl"], row["fees"], row["traded_notional"]) == (400.0, 6.2, 4_400.0)
    assert row["drawdown_frac"] == pytest.approx(1 - equity / 101_000)


@pytest.mark.parametrize(("kind", "cash"), [("deposit", 50_000), ("withdrawal", -50_000)])
def test_money_from_outside_is_no_profit(kind: str, cash: int) -> None:
    flow = make_booking("cn", name="b2", kind=kind, cash=Decimal(cash), session=NEXT_SESSION)
    activity = replace(SECOND, book=fold([BOUGHT, SOLD], [DEPOSIT, flow]), bookings=[flow])
    plain = measure(SECOND, 10.0, previous=100_495.0)
    row = measure(activity, 10.0, previous=100_495.0)
    assert row["pnl"] == plain["pnl"]
    assert row["equity"] == plain["equity"] + cash
    assert row["return_frac"] == pytest.approx(plain["pnl"] / (100_495 + cash))


def test_a_dividend_is_profit() -> None:
    paid = make_booking(
        "cn",
        name="b2",
        kind="dividend",
        cash=Decimal("120.50"),
        symbol="600000.SH",
        session=NEXT_SESSION,
    )
    activity = replace(SECOND, book=fold([BOUGHT, SOLD], [DEPOSIT, paid]), bookings=[paid])
    row = measure(activity, 10.0, previous=100_495.0)
    assert row["dividends"] == 120.5
    assert row["pnl"] == pytest.approx(measure(SECOND, 10.0, previous=100_495.0)["pnl"] + 120.5)


def test_a_bust_is_no_trade() -> None:
    bust = replace(BOUGHT, execution_id="e3", busts="e1")
    row = measure(
        SessionActivity(SESSION, fold([], [DEPOSIT]), EMPTY, [BOUGHT, bust], [DEPOSIT]), 9
    )
    assert (row["fees"], row["traded_notional"], row["pnl"]) == (0.0, 0.0, 0.0)


def test_concentration_and_the_deepest_fall_so_far() -> None:
    other = replace(BOUGHT, execution_id="e4", symbol="000001.SZ", quantity_shares=3000)
    activity = replace(FIRST, book=fold([BOUGHT, other], [DEPOSIT]))
    frame = activity_to_pnl(
        activity,
        {"600000.SH": 10.0, "000001.SZ": 10.0},
        history=EquityHistory(0.0, 0.0, 5.0, 0.25),
        benchmark=Benchmark(),
    )
    row = frame.row(0, named=True)
    assert row["concentration_hhi"] == pytest.approx(0.25**2 + 0.75**2)
    assert row["max_drawdown_frac"] == 0.25
    assert row["pnl_to_date"] == pytest.approx(5.0 + row["pnl"])


def test_nothing_at_all_is_all_zero() -> None:
    row = measure(SessionActivity(SESSION, EMPTY, EMPTY, [], []), 1.0)
    values = {value for name, value in row.items() if name != "session"}
    assert values == {0, 0.01}


def test_the_benchmark_is_the_mean_over_yesterdays_members() -> None:
    universe = pl.DataFrame({"symbol": list("ABCDEF"), "is_member": [True] * 5 + [False]})
    bars = pl.DataFrame(
        {
            "symbol": list("ABCFX"),
            "raw_close": [11.0, 9.5, None, 99.0, 99.0],
            "reference_close": [10.0, 10.0, 10.0, 10.0, 10.0],
        }
    ).vstack(
        pl.DataFrame({"symbol": ["D"], "raw_close": [5.0], "reference_close": [None]}).cast(
            {"reference_close": pl.Float64}
        )
    )
    found = universe_to_benchmark(universe, bars)
    assert found.return_frac == pytest.approx((0.10 - 0.05) / 5)
    assert (found.names, found.unpriced) == (5, 3)
    assert universe_to_benchmark(universe.head(0), bars) == Benchmark()


def test_the_benchmark_does_not_depend_on_the_order_of_rows() -> None:
    symbols = [f"S{number}" for number in range(300)]
    universe = pl.DataFrame({"symbol": symbols, "is_member": True})
    bars = pl.DataFrame(
        {
            "symbol": symbols,
            "raw_close": [10 + number / 7 for number in range(300)],
            "reference_close": [10.1] * 300,
        }
    )
    found = {
        universe_to_benchmark(
            universe.sample(fraction=1, shuffle=True, seed=seed), bars.reverse()
        ).return_frac
        for seed in range(5)
    }
    assert found == {universe_to_benchmark(universe, bars).return_frac}


@pytest.mark.parametrize(
    ("equity", "pnl", "peak"),
    [
        ([], [], 0.0),
        ([100.0, 110.0, 90.0], [0.0, 10.0, -20.0], 110.0),
        ([100.0, 50.0, 55.0], [0.0, 0.0, 5.0], 55.0),
        ([100.0, 90.0, 190.0], [0.0, -10.0, 0.0], 200.0),
    ],
)
def test_the_peak_moves_with_money_from_outside(
    equity: list[float], pnl: list[float], peak: float
) -> None:
    columns = {"equity": equity, "pnl": pnl, "drawdown_frac": [0.1, 0.3, 0.2][: len(pnl)]}
    rows = pl.DataFrame(columns, schema_overrides=dict.fromkeys(columns, pl.Float64))
    deepest = 0.3 if pnl else 0.0
    last = equity[-1] if equity else 0.0
    assert rows_to_history(rows) == EquityHistory(last, peak, sum(pnl), deepest)


def test_a_withdrawal_is_no_drawdown() -> None:
    flow = make_booking(
        "cn", name="b2", kind="withdrawal", cash=Decimal(-50_000), session=NEXT_SESSION
    )
    activity = replace(SECOND, book=fold([BOUGHT, SOLD], [DEPOSIT, flow]), bookings=[flow])
    plain = measure(SECOND, 11.0, previous=100_495.0, peak=100_495.0)
    row = measure(activity, 11.0, previous=100_495.0, peak=100_495.0)
    assert plain["drawdown_frac"] == row["drawdown_frac"] == 0.0
