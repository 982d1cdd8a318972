"""However a book trades, its profit is what was realised, revalued, paid and received."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.ledgers import make_booking, make_fill
from tests.support.make_bars import weekdays
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.schema import Book, Booking, Fill
from tradegraph_dagster.domain.performance.attribution import attribute
from tradegraph_dagster.domain.performance.lines import (
    frame_to_lines,
    lines_to_frame,
    shares_to_lines,
)
from tradegraph_dagster.domain.performance.pnl import activity_to_pnl, unrealised_pnl
from tradegraph_dagster.domain.performance.schema import (
    Benchmark,
    EquityHistory,
    SessionActivity,
)

SESSIONS = weekdays(4)
SYMBOLS = ("A", "B")
CENTS = st.integers(1, 5_000).map(lambda cents: Decimal(cents) / 100)
TRADE = st.fixed_dictionaries(
    {
        "session": st.sampled_from(SESSIONS),
        "symbol": st.sampled_from(SYMBOLS),
        "side": st.sampled_from(list(Side)),
        "quantity_shares": st.integers(1, 900),
        "price": CENTS,
        "fee": CENTS,
    }
)
EVENT = st.fixed_dictionaries(
    {
        "session": st.sampled_from(SESSIONS),
        "kind": st.sampled_from(["deposit", "withdrawal", "dividend", "bonus", "adjustment"]),
        "symbol": st.sampled_from(SYMBOLS),
        "amount": st.integers(1, 90_000),
    }
)
PRICES = st.lists(
    st.fixed_dictionaries({symbol: st.floats(0.5, 60) for symbol in SYMBOLS}),
    min_size=len(SESSIONS),
    max_size=len(SESSIONS),
)
START = Book(session=None, positions={}, cash=Decimal(0), fees=Decimal(0))


def to_fills(trades: list[dict[str, Any]]) -> list[Fill]:
    """The trades without short sales, in order of session."""
    held = dict.fromkeys(SYMBOLS, 0)
    fills = []
    for number, trade in enumerate(sorted(trades, key=lambda one: one["session"])):
        sign = 1 if trade["side"] is Side.BUY else -1
        if held[trade["symbol"]] + sign * trade["quantity_shares"] >= 0:
            held[trade["symbol"]] += sign * trade["quantity_shares"]
            fills.append(make_fill("m", name=f"e{number}", **trade))
    return fills


def to_booking(number: int, event: dict[str, Any]) -> Booking:
    amount = Decimal(event["amount"]) / 100
    cash = {"withdrawal": -amount, "bonus": Decimal(0)}.get(event["kind"], amount)
    is_flow = event["kind"] in ("deposit", "withdrawal")
    return make_booking(
        "m",
        name=f"b{number}",
        session=event["session"],
        kind=event["kind"],
        symbol="" if is_flow else event["symbol"],
        shares=event["amount"] // 1000 if event["kind"] == "bonus" else 0,
        cash=cash,
    )


def on(session: date, executions: list[Any]) -> list[Any]:
    return [one for one in executions if one.session == session]


@given(st.lists(TRADE, max_size=12), st.lists(EVENT, max_size=5), PRICES)
def test_profit_is_the_sum_of_its_parts(
    trades: list[dict[str, Any]], events: list[dict[str, Any]], prices: list[dict[str, float]]
) -> None:
    fills = to_fills(trades)
    bookings = [to_booking(number, event) for number, event in enumerate(events)]
    before, marks_before, history = START, prices[0], EquityHistory()
    profits, flows = [], Decimal(0)
    for session, marks in zip(SESSIONS, prices, strict=True):
        book = executions_to_book(fills, bookings, session=session, unsellable_sessions=1)
        activity = SessionActivity(session, book, before, on(session, fills), on(session, bookings))
        frame = activity_to_pnl(activity, marks, history=history, benchmark=Benchmark())
        row = frame.row(0, named=True)
        revalued = unrealised_pnl(book, marks) - unrealised_pnl(before, marks_before)
        parts = row["realised_pnl"] + float(revalued) - row["fees"]
        parts += row["dividends"] + row["adjustments"]
        assert math.isclose(row["pnl"], parts, abs_tol=1e-6)
        assert math.isclose(row["equity"], row["cash"] + row["market_value"], abs_tol=1e-6)
        assert row["drawdown_frac"] >= 0
        profits.append(row["pnl"])
        flows += sum(
            (one.cash for one in activity.bookings if one.kind in ("deposit", "withdrawal")),
            Decimal(0),
        )
        before, marks_before = book, marks
        history = EquityHistory(row["equity"], max(history.peak, row["equity"]))
    assert math.isclose(sum(profits), history.previous - float(flows), abs_tol=1e-6)


STRATEGIES = ("fast", "slow", "")
OWNED = st.lists(st.tuples(TRADE, st.sampled_from(STRATEGIES)), min_size=1, max_size=12)


@given(OWNED, st.lists(EVENT, max_size=5), PRICES)
def test_the_lines_of_all_strategies_are_the_account(
    owned: list[tuple[dict[str, Any], str]],
    events: list[dict[str, Any]],
    prices: list[dict[str, float]],
) -> None:
    fills = to_fills([trade for trade, _ in owned])
    fills = [replace(fill, client_order_id=f"o-{number}") for number, fill in enumerate(fills)]
    owners = {fill.client_order_id: owned[number][1] for number, fill in enumerate(fills)}
    bookings = [to_booking(number, event) for number, event in enumerate(events)]
    before, lines, history = START, {}, EquityHistory()
    for session, marks in zip(SESSIONS, prices, strict=True):
        book = executions_to_book(fills, bookings, session=session, unsellable_sessions=1)
        activity = SessionActivity(session, book, before, on(session, fills), on(session, bookings))
        row = activity_to_pnl(activity, marks, history=history, benchmark=Benchmark()).row(
            0, named=True
        )
        shares = attribute(
            [fill for fill in fills if fill.session <= session],
            [one for one in bookings if one.session <= session],
            (),
            look_up=owners.__getitem__,
        )
        new = shares_to_lines(shares, marks, session=session, before=lines)
        frame = lines_to_frame(new, lines, session)
        for column, whole in (
            ("pnl", row["pnl"]),
            ("pnl_to_date", row["pnl_to_date"]),
            ("market_value", row["market_value"]),
            ("fees", row["fees"]),
            ("dividends", row["dividends"] + row["adjustments"]),
        ):
            assert math.isclose(math.fsum(frame[column]), whole, abs_tol=0.01), column
        before, lines = book, frame_to_lines(frame)
        history = next_history(history, row)


def next_history(history: EquityHistory, row: dict[str, Any]) -> EquityHistory:
    peak = max(history.peak, row["equity"])
    return EquityHistory(row["equity"], peak, row["pnl_to_date"], row["max_drawdown_frac"])
