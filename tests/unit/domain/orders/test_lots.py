from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ledgers import SESSION, make_booking, make_fill
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.accounting import executions_to_book
from tradegraph_dagster.domain.orders.lots import Lot, fills_in_force, open_lots
from tradegraph_dagster.domain.orders.schema import Booking, Fill

SYMBOL = "600000.SH"
LATER = SESSION + timedelta(days=1)


def buy(shares: int, price: str = "10", session: date = SESSION, **changes: Any) -> Fill:
    changes = {"name": f"b{shares}@{price}/{session}"} | changes
    return make_fill("cn", quantity_shares=shares, price=Decimal(price), session=session, **changes)


def sell(shares: int, price: str = "10", session: date = LATER, **changes: Any) -> Fill:
    return buy(shares, price, session, side=Side.SELL, name=f"s{shares}", **changes)


def booked(shares: int, session: date = LATER) -> Booking:
    return make_booking(
        "cn", symbol=SYMBOL, shares=shares, session=session, kind="bonus", cash=Decimal(0)
    )


def lot(shares: int, price: str = "10", session: date = SESSION) -> Lot:
    return Lot(SYMBOL, session, shares, Decimal(price))


@pytest.mark.parametrize(
    ("fills", "bookings", "expected"),
    [
        ([buy(100), buy(50, "11")], [], [lot(100), lot(50, "11")]),
        ([buy(100), buy(50, "11"), sell(120)], [], [lot(30, "11")]),
        ([buy(100), sell(100)], [], []),
        ([buy(100), sell(130, "12")], [], [lot(-30, "12", LATER)]),
        ([sell(30, "12", SESSION), buy(10, session=LATER)], [], [lot(-20, "12")]),
        ([buy(100)], [booked(20)], [lot(100), lot(20, "0", LATER)]),
        # Bonus shares come before the open, so the day's sale finds them, after the older ones.
        ([buy(100), sell(110)], [booked(20)], [lot(10, "0", LATER)]),
        ([buy(100), buy(50, "11")], [booked(-120)], [lot(30, "11")]),
        ([buy(100, symbol="")], [], []),
        ([], [make_booking("cn")], []),
    ],
)
def test_the_oldest_shares_go_first(
    fills: list[Fill], bookings: list[Booking], expected: list[Lot]
) -> None:
    assert open_lots(fills, bookings) == expected


def test_symbols_have_lots_of_their_own() -> None:
    other = buy(10, symbol="000001.SZ")
    assert open_lots([buy(100), other], []) == [
        Lot("000001.SZ", SESSION, 10, Decimal(10)),
        lot(100),
    ]


def test_a_busted_trade_is_not_in_force_whatever_came_first() -> None:
    trade, bust, kept = buy(100, name="e1"), buy(100, name="x1", busts="e1"), buy(50, name="e2")
    other = buy(100, name="e1", broker="other")
    assert fills_in_force([trade, kept, bust, other]) == [kept, other]
    assert fills_in_force([bust, other, trade]) == [other]
    assert open_lots([trade, bust, kept], []) == [lot(50)]


TRADES = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 300), st.integers(1, 3000)),
    max_size=30,
)


@given(TRADES, st.integers(0, 6))
def test_lots_add_up_to_the_position_and_may_be_folded_in_parts(
    trades: list[tuple[int, bool, int, int]], cut: int
) -> None:
    fills = [
        buy(
            shares,
            str(Decimal(cents) / 100),
            SESSION + timedelta(days=day),
            side=Side.BUY if is_buy else Side.SELL,
            name=str(number),
        )
        for number, (day, is_buy, shares, cents) in enumerate(trades)
    ]
    whole = open_lots(fills, [])
    end = SESSION + timedelta(days=9)
    positions = executions_to_book(fills, [], session=end, unsellable_sessions=0).positions
    held = positions[SYMBOL].quantity_shares if positions else 0
    assert sum(one.shares for one in whole) == held
    assert len({one.shares > 0 for one in whole}) <= 1
    border = SESSION + timedelta(days=cut)
    first = open_lots([fill for fill in fills if fill.session < border], [])
    rest = [fill for fill in fills if fill.session >= border]
    assert open_lots(rest, [], before=first) == whole
