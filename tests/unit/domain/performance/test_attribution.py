from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NoReturn

from tests.support.ledgers import NEXT_SESSION, SESSION, make_booking, make_fill
from tradegraph_dagster.domain.core.ids import client_order_id, decision_id
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.orders.schema import Booking, Fill
from tradegraph_dagster.domain.performance.attribution import Share, attribute


def order_name(strategy: str, leg: str = "buy", attempt: int = 1) -> str:
    decision = decision_id(market="cn", strategy=strategy, session=SESSION)
    return client_order_id(decision=decision, symbol="600000.SH", leg=leg, attempt=attempt)


def bought(strategy: str, shares: int, *, name: str = "") -> Fill:
    return make_fill(
        "cn",
        name=name or f"e-{strategy}",
        client_order_id=order_name(strategy),
        quantity_shares=shares,
    )


def refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is explained by its id")


def share_out(fills: Sequence[Fill], bookings: Sequence[Booking]) -> dict[str, Share]:
    found = attribute(fills, bookings, ["a", "b"], look_up=refuse)
    return {one.strategy: one for one in found}


def test_an_id_says_whose_order_it_is() -> None:
    ours, theirs = bought("a", 100), bought("b", 300)
    found = share_out([ours, theirs], [])
    assert (found["a"].fills, found["b"].fills) == ((ours,), (theirs,))


def test_what_no_id_explains_is_looked_up() -> None:
    second = replace(bought("a", 100), client_order_id=order_name("a", attempt=2))
    asked: list[str] = []

    def look_up(name: str) -> str:
        asked.append(name)
        return "c"

    (found,) = attribute([second], [], ["a", "b"], look_up=look_up)
    assert (found.strategy, found.fills, asked) == ("c", (second,), [second.client_order_id])


def test_a_dividend_and_bonus_shares_go_to_the_holders_in_proportion() -> None:
    paid = {"session": NEXT_SESSION, "symbol": "600000.SH"}
    dividend = make_booking("cn", name="d", kind="dividend", cash=Decimal("10.00"), **paid)
    bonus = make_booking("cn", name="n", kind="bonus", shares=7, cash=Decimal(0), **paid)
    found = share_out([bought("a", 100), bought("b", 200)], [dividend, bonus])
    assert [(one.shares, one.cash) for one in found["a"].bookings] == [
        (0, Decimal("3.33")),
        (2, Decimal(0)),
    ]
    assert [(one.shares, one.cash) for one in found["b"].bookings] == [
        (0, Decimal("6.67")),
        (5, Decimal(0)),
    ]


def test_bookings_come_before_the_fills_of_their_session() -> None:
    today = make_booking("cn", name="d", kind="dividend", symbol="600000.SH")
    found = share_out([bought("a", 100)], [today])
    assert found[""].bookings == (today,)
    assert found["a"].bookings == ()


def test_money_of_the_account_is_nobodys() -> None:
    deposit = make_booking("cn")
    found = share_out([bought("a", 100)], [deposit, replace(deposit, session=NEXT_SESSION)])
    assert found[""].bookings == (deposit, replace(deposit, session=NEXT_SESSION))


def test_a_strategy_that_sold_all_gets_nothing_more() -> None:
    sold = make_fill(
        "cn",
        name="s",
        client_order_id=order_name("a", leg="sell"),
        side=Side.SELL,
        quantity_shares=100,
    )
    paid = make_booking("cn", kind="dividend", symbol="600000.SH", session=NEXT_SESSION)
    found = share_out([bought("a", 100), bought("b", 1), sold], [paid])
    assert (found["a"].bookings, found["b"].bookings) == ((), (paid,))


def test_a_bust_takes_its_trade_back() -> None:
    trade = bought("a", 100)
    assert share_out([trade, replace(trade, execution_id="x", busts=trade.execution_id)], []) == {}
