"""Whatever is ordered: what passes the gates together never exceeds a limit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gate_scenes import (
    ACCOUNT,
    NAN,
    VIEW,
    Scene,
    judge_all,
    make_instrument,
    make_proposal,
    make_working,
    steady_returns,
)
from tradegraph_dagster.domain.core.money import ZERO
from tradegraph_dagster.domain.markets.schema import Side
from tradegraph_dagster.domain.risk.gate_catalogue import configured_gates
from tradegraph_dagster.domain.risk.gate_view import GateView, WorkingOrder
from tradegraph_dagster.domain.risk.order_gate import JudgedOrder, judge_orders
from tradegraph_dagster.domain.risk.schema import ProposedOrder

GATES = configured_gates("strict", {"order_rate": {"max_per_session": 8, "max_per_symbol": 2}})
LIMITS = {gate.name: limits for gate, limits in GATES}
SYMBOLS = tuple(f"60000{number}.SH" for number in range(4))
SECTORS = {SYMBOLS[0]: "banks", SYMBOLS[1]: "banks", SYMBOLS[2]: "property", SYMBOLS[3]: None}

prices = st.integers(500, 2_000).map(lambda cents: Decimal(cents).scaleb(-2))
lots = st.integers(0, 12).map(lambda number: number * 100)


@st.composite
def views(draw: st.DrawFn) -> GateView:
    shares = {symbol: draw(lots) + draw(st.sampled_from((0, 0, 37))) for symbol in SYMBOLS}
    equity = Decimal(draw(st.integers(10_000, 200_000)))
    instruments = {
        symbol: make_instrument(
            quote_price=draw(prices),
            band=None,
            has_band=False,
            cage=None,
            sector=SECTORS[symbol],
            ask=draw(st.none() | prices),
        )
        for symbol in SYMBOLS
    }
    account = replace(
        ACCOUNT,
        equity=equity,
        cash=Decimal(draw(st.integers(0, 60_000))),
        start_equity=equity,
        peak_equity=equity,
        shares=shares,
        sellable={symbol: draw(st.integers(0, held)) for symbol, held in shares.items()},
        holders={symbol: frozenset({"topk"}) for symbol in SYMBOLS},
    )
    return replace(
        VIEW,
        account=account,
        instruments=instruments,
        working=tuple(draw(st.lists(working_orders(), max_size=3))),
        returns={
            symbol: steady_returns(worst=draw(st.sampled_from((-0.01, -0.05))))
            for symbol in SYMBOLS
        },
    )


@st.composite
def working_orders(draw: st.DrawFn) -> WorkingOrder:
    shares, price = draw(st.integers(1, 3)) * 100, draw(prices)
    is_buy = draw(st.booleans())
    return make_working(
        client_order_id=f"w{draw(st.integers(0, 99))}",
        symbol=draw(st.sampled_from(SYMBOLS)),
        side=Side.BUY if is_buy else Side.SELL,
        open_shares=shares,
        price=price,
        reserved_cash=shares * price if is_buy else ZERO,
    )


@st.composite
def proposals(draw: st.DrawFn) -> tuple[ProposedOrder, ...]:
    count = draw(st.integers(1, 10))
    orders = []
    for number in range(count):
        reference = draw(prices)
        orders.append(
            make_proposal(
                client_order_id=f"o{number}",
                strategy=draw(st.sampled_from(("topk", "b", "c"))),
                symbol=draw(st.sampled_from(SYMBOLS)),
                side=draw(st.sampled_from(Side)),
                quantity_shares=draw(st.integers(1, 12)) * 100 + draw(st.sampled_from((0, 0, 37))),
                reference_price=reference,
                limit_price=draw(st.sampled_from((None, reference, reference + Decimal("0.05")))),
            )
        )
    return tuple(orders)


def _bought(approved: list[JudgedOrder], symbol: str, view: GateView) -> tuple[int, Decimal]:
    """Shares of all buys of a symbol that may fill, and the highest price among the approved."""
    working = [one for one in view.working if one.symbol == symbol and one.side is Side.BUY]
    mine = [one.order for one in approved if one.order.symbol == symbol]
    buys = [one for one in mine if one.side is Side.BUY]
    shares = sum(one.open_shares for one in working) + sum(one.quantity_shares for one in buys)
    return shares, min((view.order_price(one) for one in buys), default=ZERO)


@given(orders=proposals(), view=views())
def test_approved_orders_together_keep_every_limit(orders, view) -> None:
    approved = [one for one in judge_orders(orders, view, GATES) if one.is_approved]
    account, working = view.account, view.working
    buys = [one for one in approved if one.order.side is Side.BUY]
    if buys:
        reserved = sum((one.reserved_cash for one in (*working, *buys)), ZERO)
        assert reserved <= account.cash
        values = _values(view, approved)
        assert sum(values.values()) <= LIMITS["exposure_limits"]["max_long"]
    for symbol in SYMBOLS:
        _check_symbol(symbol, view, approved)
    assert len(approved) <= LIMITS["order_rate"]["max_per_session"]
    assert len({one.order.client_order_id for one in approved}) == len(approved)


def _values(view: GateView, approved: list[JudgedOrder]) -> dict[str, Decimal]:
    values = {
        symbol: view.held(symbol) * (view.instruments[symbol].quote_price or ZERO)
        for symbol in SYMBOLS
    }
    for one in view.working:
        if one.side is Side.BUY:
            values[one.symbol] += one.open_shares * one.price
    for judged in approved:
        if judged.order.side is Side.BUY:
            values[judged.order.symbol] += judged.order.quantity_shares * view.order_price(
                judged.order
            )
    return values


def _check_symbol(symbol: str, view: GateView, approved: list[JudgedOrder]) -> None:
    held, sellable = view.held(symbol), view.account.sellable[symbol]
    mine = [one.order for one in approved if one.order.symbol == symbol]
    sales = [one.quantity_shares for one in mine if one.side is Side.SELL]
    if sales:
        working = [one for one in view.working if one.symbol == symbol and one.side is Side.SELL]
        assert sum(sales) + sum(one.open_shares for one in working) <= min(sellable, held)
    bought, price = _bought(approved, symbol, view)
    if any(one.side is Side.BUY for one in mine):
        assert (held + bought) * price <= LIMITS["position_limit"]["max_position_frac"] * (
            view.account.equity
        )
        strategies = {"topk"} | {one.strategy for one in mine}
        assert len(strategies) <= 2
    assert len(mine) <= LIMITS["order_rate"]["max_per_symbol"]


@given(orders=proposals(), view=views())
def test_the_same_batch_is_judged_the_same_and_a_prefix_alone_no_other_way(orders, view) -> None:
    judged = judge_orders(orders, view, GATES)
    assert judge_orders(orders, view, GATES) == judged
    half = len(orders) // 2
    assert judge_orders(orders[:half], view, GATES) == judged[:half]


@given(orders=proposals(), view=views(), seed=st.randoms(use_true_random=False))
def test_which_of_two_equal_orders_comes_first_does_not_matter(orders, view, seed) -> None:
    """Orders that differ in nothing but their id: as many pass, whichever is asked first."""
    alike = [replace(orders[0], client_order_id=f"e{number}") for number in range(4)]
    mixed = list(alike)
    seed.shuffle(mixed)
    first = [one.is_approved for one in judge_orders(alike, view, GATES)]
    assert [one.is_approved for one in judge_orders(mixed, view, GATES)] == first
    assert first == sorted(first, reverse=True)


@given(orders=proposals(), view=views())
def test_a_smaller_account_approves_nothing_that_a_larger_one_denies_at_first(orders, view) -> None:
    poor = replace(view, account=replace(view.account, cash=view.account.cash / 2))
    with_less = judge_orders(orders[:1], poor, GATES)[0]
    with_more = judge_orders(orders[:1], view, GATES)[0]
    assert with_more.is_approved or not with_less.is_approved


NUMBERS = {
    "order": ("quantity_shares", "reference_price", "limit_price", "confidence"),
    "account": ("equity", "cash", "start_equity", "peak_equity", "fee_frac"),
    "instrument": ("adv_shares", "tick", "ask", "quote_price"),
}
GAPS = [(part, name) for part, names in NUMBERS.items() for name in names]


@pytest.mark.parametrize(("part", "name"), GAPS)
@pytest.mark.parametrize("value", [NAN, Decimal("sNaN"), Decimal("-Infinity"), float("nan")])
def test_what_is_no_number_never_passes(part: str, name: str, value: Any) -> None:
    scene = Scene(make_proposal(), VIEW).but(**{part: {name: value}})
    judged = judge_all(scene)
    assert not judged.is_approved
    assert judged.reserved_cash == 0


@given(shares=st.integers(1, 2_000), cash=st.integers(0, 50_000), count=st.integers(1, 5))
def test_cash_is_spent_once(shares, cash, count) -> None:
    """As many equal buys pass as cash pays for, never one more."""
    view = replace(
        VIEW,
        account=replace(ACCOUNT, cash=Decimal(cash), shares={}, holders={}),
        instruments={symbol: make_instrument() for symbol in SYMBOLS},
    )
    orders = [
        make_proposal(client_order_id=f"o{number}", quantity_shares=shares, strategy=f"s{number}")
        for number in range(count)
    ]
    only = [(gate, limits) for gate, limits in GATES if gate.name == "buying_power"]
    judged = judge_orders(orders, view, only)
    cost = shares * Decimal("10.10") * Decimal("1.001")
    assert sum(one.is_approved for one in judged) == min(count, int(cash // cost))
