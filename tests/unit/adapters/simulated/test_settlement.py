from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.support.trading_world import FeeMarket, make_actions, make_intent
from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS
from tradegraph_dagster.adapters.simulated.settlement import (
    Account,
    apply_actions,
    fill_price,
    settle_orders,
)
from tradegraph_dagster.adapters.simulated.tape import Tape
from tradegraph_dagster.domain.core.money import CENT
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.markets.schema import LotRule, PriceBand, Side
from tradegraph_dagster.domain.orders.entitlements import frame_to_actions

DAY = date(2024, 1, 3)
AT = datetime(2024, 1, 3, 9, 30, tzinfo=UTC)
MARKET = FeeMarket()


def tape(price: str | None = "10", low="9.5", high="10.5", *, volume=1_000_000, band=True) -> Tape:
    return Tape(
        symbol="AAA",
        price=None if price is None else Decimal(price),
        low=Decimal(low),
        high=Decimal(high),
        volume_shares=volume,
        band=PriceBand(Decimal("9"), Decimal("11")) if band else None,
        lot_rule=LotRule(100, 100, 1_000_000),
    )


def settle(*orders, account: Account, tapes=None, **options):
    return settle_orders(
        account,
        orders,
        {"AAA": tape()} if tapes is None else tapes,
        market=MARKET,
        options=OPTIONS(**options),
        filled_at=AT,
    )


RICH = Account(Decimal(1_000_000), {"AAA": 1_000})
BUY = make_intent(DAY, quantity_shares=500)
SELL = make_intent(DAY, quantity_shares=500, side=Side.SELL)


def test_a_buy_costs_its_notional_and_one_fee() -> None:
    done = settle(BUY, account=RICH)
    (fill,) = done.fills
    assert (fill.quantity_shares, fill.price, fill.fee) == (500, 10, 5)
    assert done.account == Account(Decimal(994_995), {"AAA": 1_500})
    assert (fill.filled_at, done.expired) == (AT, {})


def test_sales_come_first_and_pay_for_buys() -> None:
    other = make_intent(DAY, "BBB", 400)
    both = {"AAA": tape(), "BBB": tape()}
    done = settle(other, SELL, account=Account(Decimal(0), {"AAA": 1_000}), tapes=both)
    assert [fill.side for fill in done.fills] == ["sell", "buy"]
    assert done.account.cash == 5_000 - Decimal("7.5") - 4_000 - 5
    assert done.account.holdings == {"AAA": 500, "BBB": 400}


@pytest.mark.parametrize(
    ("intent", "found", "reason"),
    [
        (BUY, None, "no bar in the session"),
        (BUY, tape(None), "suspended"),
        (SELL, tape(None), "suspended"),
        (BUY, tape("11", "10.2", "11"), "at the upper limit 11"),
        (BUY, tape("11", "11", "11"), "at the upper limit 11"),
        (SELL, tape("9", "9", "9.8"), "at the lower limit 9"),
        (SELL, tape("9", "9", "9"), "at the lower limit 9"),
        (BUY, tape("10", volume=0), "0 of 500 filled: volume was not enough"),
    ],
)
def test_what_cannot_trade_expires_with_a_reason(intent, found, reason) -> None:
    done = settle(intent, account=RICH, tapes={"AAA": found} if found else {})
    assert (done.fills, done.account) == ((), RICH)
    assert done.expired == {intent.client_order_id: reason}


@pytest.mark.parametrize(
    ("intent", "found"),
    [
        (SELL, tape("11", "11", "11")),
        (BUY, tape("9", "9", "9")),
        (BUY, tape("11", "11", "11", band=False)),
        (BUY, tape("10.99", "10", "11")),
    ],
)
def test_the_other_side_of_a_limit_trades(intent, found) -> None:
    assert settle(intent, account=RICH, tapes={"AAA": found}).expired == {}


@pytest.mark.parametrize(("volume", "filled"), [(4_990, 400), (999, 0), (5_000, 500)])
def test_a_tenth_of_the_volume_in_whole_lots(volume: int, filled: int) -> None:
    for intent in (BUY, SELL):
        done = settle(intent, account=RICH, tapes={"AAA": tape(volume=volume)})
        assert sum(fill.quantity_shares for fill in done.fills) == filled
        assert (intent.client_order_id in done.expired) == (filled < 500)


def test_orders_of_one_name_share_its_volume() -> None:
    second = make_intent(DAY, quantity_shares=500, name="second")
    done = settle(BUY, second, account=RICH, tapes={"AAA": tape(volume=7_000)})
    assert [fill.quantity_shares for fill in done.fills] == [500, 200]


@pytest.mark.parametrize(("cash", "filled"), [(5_004, 400), (5_005, 500), (1_004, 0), (0, 0)])
def test_a_buy_shrinks_to_what_cash_and_fee_allow(cash: int, filled: int) -> None:
    done = settle(BUY, account=Account(Decimal(cash)))
    assert done.account.holdings.get("AAA", 0) == filled
    assert done.account.cash >= 0
    if filled < 500:
        assert "cash was not enough" in done.expired[BUY.client_order_id]


def test_a_sale_whose_fee_cannot_be_paid_does_not_fill() -> None:
    penny = tape("0.01", "0.01", "0.01", band=False)
    odd = make_intent(DAY, quantity_shares=37, side=Side.SELL)
    done = settle(odd, account=Account(Decimal(1), {"AAA": 37}), tapes={"AAA": penny})
    assert done.fills == ()
    assert done.account.cash == 1


def test_slippage_goes_against_the_order_and_stays_in_the_range() -> None:
    def price(side: Side, bps: float, **at: str) -> Decimal:
        found = tape(**at)
        assert found.price is not None
        return fill_price(side, found, found.price, tick=CENT, bps=bps)

    assert price(Side.BUY, 0) == price(Side.SELL, 0) == 10
    assert price(Side.BUY, 10) == Decimal("10.01")
    assert price(Side.SELL, 10) == Decimal("9.99")
    assert price(Side.BUY, 11) == Decimal("10.02")
    assert price(Side.SELL, 11) == Decimal("9.98")
    assert price(Side.BUY, 500, high="10.30") == Decimal("10.30")
    assert price(Side.SELL, 500, low="9.80") == Decimal("9.80")
    assert price(Side.BUY, 500, price="10.99", high="11.20") == Decimal("11")


def test_corporate_actions_reach_what_is_held() -> None:
    actions = frame_to_actions(
        make_actions(
            DAY,
            {"symbol": "AAA", "cash_per_share": 0.236, "bonus_ratio": 0.45},
            {"symbol": "BBB", "split_ratio": 0.1},
            {"symbol": "CCC", "cash_per_share": 1.0},
        )
    )
    before = Account(Decimal(10), {"AAA": 1_037, "BBB": 25})
    after, bookings = apply_actions(before, actions, market="plain", session=DAY)
    assert after == Account(Decimal("254.73"), {"AAA": 1_503, "BBB": 2})
    assert [(one.kind, one.symbol, one.shares, one.cash) for one in bookings] == [
        ("dividend", "AAA", 0, Decimal("244.73")),
        ("bonus", "AAA", 466, 0),
        ("split", "BBB", -23, 0),
    ]
    assert len({one.booking_id for one in bookings}) == 3


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (Side.BUY, "10.00", "10.00"),
        (Side.BUY, "10.05", "10.05"),
        (Side.BUY, "10.30", "10.10"),
        (Side.BUY, "9.99", None),
        (Side.SELL, "10.00", "10.00"),
        (Side.SELL, "9.95", "9.95"),
        (Side.SELL, "9.70", "9.90"),
        (Side.SELL, "10.01", None),
    ],
)
def test_nothing_fills_beyond_an_orders_own_limit(side: Side, limit: str, price: str | None):
    intent = make_intent(DAY, quantity_shares=500, side=side, limit_price=Decimal(limit))
    done = settle(intent, account=RICH, slippage_bps=100.0)
    assert [fill.price for fill in done.fills] == ([] if price is None else [Decimal(price)])
    if price is None:
        reason = f"its limit price {limit} was not reached, the price was 10"
        assert done.expired == {intent.client_order_id: reason}


@pytest.mark.parametrize(
    ("session", "side", "shares", "fee"),
    [
        (date(2026, 11, 20), Side.BUY, 1_000, "5.10"),
        (date(2026, 11, 20), Side.SELL, 1_000, "10.10"),
        (date(2023, 8, 25), Side.SELL, 10_000, "131"),
        (date(2023, 8, 28), Side.SELL, 10_000, "81"),
        (date(2022, 4, 28), Side.BUY, 10_000, "32"),
        (date(2022, 4, 29), Side.BUY, 10_000, "31"),
    ],
)
def test_fees_are_those_of_the_session(session: date, side: Side, shares: int, fee: str) -> None:
    # Stamp duty halves on 2023-08-28, the transfer fee on 2022-04-29; least commission 5.
    done = settle_orders(
        Account(Decimal(1_000_000), {"AAA": 10_000}),
        [make_intent(session, quantity_shares=shares, side=side, market="cn")],
        {"AAA": tape()},
        market=load_market("cn"),
        options=OPTIONS(),
        filled_at=AT,
    )
    assert [fill.fee for fill in done.fills] == [Decimal(fee)]
