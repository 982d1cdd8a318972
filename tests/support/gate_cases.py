"""For each gate: a scene at its limit, scenes one step beyond, and scenes it cannot judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tests.support.gate_scenes import (
    LAST_SESSION,
    NAN,
    NOW,
    OTHER,
    SALE,
    SCENE,
    SESSION,
    SYMBOL,
    VIEW,
    Scene,
    make_instrument,
    make_working,
    steady_returns,
)
from tradegraph_dagster.domain.markets.schema import Side


@dataclass(frozen=True)
class GateCase:
    """Scenes of one gate: `at` pass, `beyond` fail, `unknown` cannot be judged."""

    at: tuple[Scene, ...]
    beyond: tuple[Scene, ...]
    unknown: tuple[Scene, ...] = ()


def _order(**changes: Any) -> Scene:
    return SCENE.but(order=changes)


def _environment(**changes: Any) -> Scene:
    return SCENE.but(environment=changes)


def _account(**changes: Any) -> Scene:
    return SCENE.but(account=changes)


def _instrument(**changes: Any) -> Scene:
    return SCENE.but(instrument=changes)


STRANGER = _order(symbol="600001.SH")
# No band, as in a market without one, and no cage.
FREE = _instrument(band=None, has_band=False, cage=None)
# A market order of which nothing else is held, so that the whole book is this order.
ALONE = SCENE.but(
    order={"limit_price": None},
    account={"shares": {}, "sellable": {}, "holders": {}},
    returns={SYMBOL: steady_returns(worst=-0.02)},
)


def _exposed(**held: int) -> Scene:
    """The order of 1,000 beside holdings of 10.00 a share of two sectors."""
    shares = {SYMBOL: held.get("same", 0), OTHER: held.get("other", 0)}
    return SCENE.but(order={"limit_price": None}, account={"shares": shares})


def _sold_short(shares: int) -> Scene:
    """A sale of shares of which none is held."""
    return SALE.but(
        order={"limit_price": None, "quantity_shares": shares},
        account={"shares": {OTHER: 300}},
    )


def _sent(*ages: float) -> Scene:
    return SCENE.but(sent_at=tuple(sorted(NOW - timedelta(seconds=age) for age in ages)))


def _with_nan() -> np.ndarray:
    returns = steady_returns()
    returns[3] = np.nan
    return returns


CASES = {
    "live_lock": GateCase(
        at=(SCENE, _environment(mode="dry_run"), _environment(mode="live")),
        beyond=(
            _environment(mode="live", lock_refusal="live trading is locked"),
            _environment(mode="paper", lock_refusal="the account is a live one"),
        ),
        unknown=(_environment(mode=""), _environment(mode="LIVE"), _environment(mode=None)),
    ),
    "kill_switch": GateCase(
        at=(SCENE,),
        beyond=(
            _environment(halt="the kill switch is engaged: drill"),
            _environment(halt="the kill switch cannot be read"),
            _environment(halt=""),
        ),
    ),
    "reconciliation_fresh": GateCase(
        at=(SCENE, SCENE.but(incidents={OTHER: "late fill"})),
        beyond=(
            _environment(reconciled_session=LAST_SESSION - timedelta(days=1)),
            _environment(reconciled_session=SESSION),
            SCENE.but(incidents={SYMBOL: "late fill"}),
            SCENE.but(incidents={"": "cash differs"}),
            SCENE.but(incidents={SYMBOL: ""}),
            SCENE.but(incidents={"": ""}),
        ),
        unknown=(_environment(reconciled_session=None), _environment(reconciled_at=None)),
    ),
    "market_open": GateCase(
        at=(_environment(closes_at=NOW + timedelta(microseconds=1)),),
        beyond=(
            _environment(closes_at=NOW),
            _environment(is_session=False),
            _environment(last_session=SESSION),
            _environment(last_session=SESSION + timedelta(days=1)),
        ),
        unknown=(_environment(is_session=None), _environment(closes_at=None)),
    ),
    "instrument_tradable": GateCase(
        at=(SCENE,),
        beyond=(_instrument(refusal="was suspended"), _instrument(refusal="")),
        unknown=(STRANGER,),
    ),
    "quote_fresh": GateCase(
        at=(SCENE, _instrument(quote_at=NOW), _instrument(quote_at=NOW - timedelta(seconds=30))),
        beyond=(
            _instrument(quote_session=LAST_SESSION - timedelta(days=1)),
            _instrument(quote_session=SESSION),
            _instrument(quote_at=NOW - timedelta(seconds=30, microseconds=1)),
            _instrument(quote_at=NOW + timedelta(microseconds=1)),
        ),
        unknown=(_instrument(quote_session=None), STRANGER),
    ),
    "price_collar": GateCase(
        at=(
            _order(limit_price=Decimal("10.20")),
            _order(limit_price=None),
            _order(limit_price=Decimal("9.00")),
            SALE.but(order={"limit_price": Decimal("9.80")}),
            SALE.but(order={"limit_price": Decimal("11.00")}),
            SCENE.but(order={"limit_price": Decimal("11.00")}, instrument={"cage": None}),
            FREE.but(order={"limit_price": Decimal("10.50")}),
            FREE.but(order={"limit_price": Decimal("9.50")}),
        ),
        beyond=(
            _order(limit_price=Decimal("10.21")),
            _order(limit_price=Decimal("8.99")),
            _order(limit_price=NAN),
            SALE.but(order={"limit_price": Decimal("9.79")}),
            SALE.but(order={"limit_price": Decimal("11.01")}),
            SCENE.but(order={"limit_price": Decimal("11.01")}, instrument={"cage": None}),
            FREE.but(order={"limit_price": Decimal("10.51")}),
            FREE.but(order={"limit_price": Decimal("9.49")}),
            FREE.but(order={"limit_price": Decimal(0)}),
            FREE.but(order={"limit_price": NAN}),
        ),
        unknown=(
            STRANGER,
            _instrument(has_band=None),
            _instrument(band=None),
            *(
                _order(limit_price=price, reference_price=reference)
                for price in (None, Decimal(10))
                for reference in (NAN, Decimal("sNaN"), Decimal("Infinity"), Decimal(0), None)
            ),
            _order(reference_price=Decimal("-10")),
        ),
    ),
    "order_size": GateCase(
        at=(
            SCENE,
            _order(quantity_shares=1_000_000),
            _order(limit_price=None),
            SCENE.but(order={"limit_price": None}, instrument={"tick": None}),
            SALE.but(account={"sellable": {SYMBOL: 337}}, order={"quantity_shares": 37}),
            SALE.but(account={"sellable": {SYMBOL: 337}}, order={"quantity_shares": 137}),
            SALE.but(order={"quantity_shares": 301}),
            _instrument(buy_cap_shares=100),
            SALE.but(instrument={"buy_cap_shares": 0}),
        ),
        beyond=(
            *(
                _order(quantity_shares=shares)
                for shares in (0, -100, 99, 101, 150, 1_000_100, 100.0, True, Decimal(100), NAN)
            ),
            _order(limit_price=Decimal("10.105")),
            _order(limit_price=NAN),
            _order(limit_price=Decimal(0)),
            _order(limit_price=Decimal("-0.01")),
            SALE.but(account={"sellable": {SYMBOL: 337}}, order={"quantity_shares": 36}),
            SALE.but(account={"sellable": {SYMBOL: 337}}, order={"quantity_shares": 150}),
            SALE.but(
                account={"sellable": {SYMBOL: 337}},
                order={"quantity_shares": 37},
                working=(make_working(side=Side.SELL, open_shares=37),),
            ),
            _instrument(buy_cap_shares=99),
            SCENE.but(instrument={"buy_cap_shares": 199}, working=(make_working(),)),
        ),
        unknown=(
            STRANGER,
            _instrument(lot_rule=None),
            _instrument(tick=None),
            _instrument(tick=NAN),
            _instrument(tick=Decimal(0)),
        ),
    ),
    "fat_finger": GateCase(
        at=(
            _order(quantity_shares=1_000),
            SCENE.but(
                order={"limit_price": Decimal("100.00"), "quantity_shares": 1_000},
            ),
            _instrument(adv_shares=Decimal(10_000)),
        ),
        beyond=(
            _order(quantity_shares=1_001),
            _order(limit_price=Decimal("100.01"), quantity_shares=1_000),
            SCENE.but(order={"quantity_shares": 1_000}, instrument={"ask": Decimal("100.01")}),
            _instrument(adv_shares=Decimal("9999.99")),
            _instrument(adv_shares=Decimal(0)),
            _order(quantity_shares=10**18),
        ),
        unknown=(
            STRANGER,
            _instrument(adv_shares=None),
            _instrument(adv_shares=NAN),
            _instrument(ask=NAN),
            _order(limit_price=NAN),
            _order(limit_price=Decimal("Infinity")),
            _order(quantity_shares=NAN),
            _order(quantity_shares=None),
            _order(quantity_shares="100"),
        ),
    ),
    "confidence": GateCase(
        at=(_order(confidence=Decimal("0.6")), _order(confidence=Decimal(1))),
        beyond=(_order(confidence=Decimal("0.5999")), _order(confidence=Decimal(0))),
        unknown=(
            _order(confidence=None),
            _order(confidence=NAN),
            _order(confidence=Decimal("1.01")),
            _order(confidence=Decimal("-0.01")),
            _order(confidence=Decimal("Infinity")),
        ),
    ),
    "duplicate_order": GateCase(
        at=(
            SCENE,
            SCENE.but(working=(make_working(made_at=NOW - timedelta(seconds=60)),)),
            SCENE.but(working=(make_working(made_at=NOW, strategy="other"),)),
            SCENE.but(working=(make_working(made_at=NOW, symbol=OTHER),)),
            SCENE.but(working=(make_working(made_at=NOW, side=Side.SELL, open_shares=1),)),
        ),
        beyond=(
            SCENE.but(working=(make_working(made_at=NOW - timedelta(seconds=59.999999)),)),
            SCENE.but(working=(make_working(made_at=NOW + timedelta(hours=1)),)),
            SCENE.but(
                working=(
                    make_working(made_at=NOW - timedelta(seconds=59)),
                    make_working(client_order_id="w2"),
                )
            ),
            SCENE.but(working=(make_working(client_order_id="o1"),)),
        ),
        unknown=(
            SCENE.but(working=(make_working(made_at=None),)),
            SCENE.but(working=(make_working(made_at=None), make_working(client_order_id="w2"))),
            SCENE.but(working=(make_working(client_order_id="w2"), make_working(made_at=None))),
        ),
    ),
    "position_limit": GateCase(
        at=(
            _order(limit_price=Decimal("12.50")),
            SCENE.but(instrument={"ask": Decimal("12.50")}),
            SCENE.but(order={"limit_price": None}, working=(make_working(),)),
            _sold_short(500),
        ),
        beyond=(
            _order(limit_price=Decimal("12.51")),
            SCENE.but(instrument={"ask": Decimal("12.51")}),
            SCENE.but(
                order={"limit_price": None, "quantity_shares": 200}, working=(make_working(),)
            ),
            _sold_short(501),
            SALE.but(
                order={"limit_price": None, "quantity_shares": 501},
                account={"shares": {SYMBOL: 300}},
                working=(make_working(side=Side.SELL, open_shares=300),),
            ),
            _account(equity=Decimal(0)),
            _account(equity=Decimal(-100_000)),
        ),
        unknown=(
            _account(equity=None),
            _account(equity=NAN),
            _account(equity=Decimal("Infinity")),
            _order(limit_price=NAN),
            _order(limit_price=None, reference_price=NAN),
            _order(quantity_shares=NAN),
        ),
    ),
    "open_positions": GateCase(
        at=(
            _account(holders={SYMBOL: frozenset({"topk", "b"})}),
            _account(holders={SYMBOL: frozenset({"b"})}),
            SCENE.but(working=(make_working(strategy="b"),)),
            SCENE.but(account={"shares": {}, "holders": {}}),
        ),
        beyond=(
            _account(holders={SYMBOL: frozenset({"a", "b"})}),
            _account(holders={SYMBOL: frozenset({"topk", "a", "b"})}),
            SCENE.but(
                account={"holders": {SYMBOL: frozenset({"a"})}},
                working=(make_working(strategy="b"),),
            ),
        ),
        unknown=(
            _account(holders={}),
            _account(holders={SYMBOL: frozenset()}),
        ),
    ),
    "exposure_limits": GateCase(
        at=(
            _exposed(same=2_900),
            _exposed(same=1_000, other=3_000),
            _exposed(other=3_000),
            SCENE.but(
                order={"limit_price": None},
                account={"shares": {}, "equity": Decimal(1_000_000)},
                working=(make_working(open_shares=7_900),),
            ),
            _sold_short(2_000),
            # Of 300 held 100 are in a sale already: 200 of 2,200 are no short.
            SALE.but(
                order={"limit_price": None, "quantity_shares": 2_200},
                working=(make_working(side=Side.SELL),),
            ),
        ),
        beyond=(
            _exposed(same=2_901),
            _exposed(same=2_901, other=1),
            SCENE.but(
                order={"limit_price": None},
                account={"shares": {}, "equity": Decimal(1_000_000)},
                working=(make_working(open_shares=7_901),),
            ),
            _sold_short(2_001),
            SALE.but(
                order={"limit_price": None, "quantity_shares": 2_201},
                working=(make_working(side=Side.SELL),),
            ),
            # Sold short already: 400 in sales, 300 held.
            SALE.but(
                order={"limit_price": None, "quantity_shares": 1_901},
                working=(make_working(side=Side.SELL, open_shares=400),),
            ),
            _account(equity=Decimal(0)),
            _account(equity=Decimal(-1)),
        ),
        unknown=(
            _account(equity=None),
            _account(equity=NAN),
            _account(equity=Decimal("Infinity")),
            _order(limit_price=NAN),
            _order(quantity_shares=NAN),
            SCENE.but(instruments={SYMBOL: make_instrument()}),
            SCENE.but(instruments={**VIEW.instruments, OTHER: make_instrument(quote_price=None)}),
            SCENE.but(instruments={**VIEW.instruments, OTHER: make_instrument(quote_price=NAN)}),
            SCENE.but(
                instruments={**VIEW.instruments, OTHER: make_instrument(quote_price=Decimal(0))}
            ),
            SCENE.but(working=(make_working(price=NAN),)),
        ),
    ),
    "buying_power": GateCase(
        at=(
            _account(cash=Decimal("1011.01")),
            SCENE.but(order={"limit_price": None}, account={"cash": Decimal("1101.10")}),
            SCENE.but(account={"cash": Decimal("2012.01")}, working=(make_working(),)),
            SALE.but(account={"cash": Decimal(-1)}),
        ),
        beyond=(
            _account(cash=Decimal("1011.00")),
            SCENE.but(order={"limit_price": None}, account={"cash": Decimal("1101.09")}),
            SCENE.but(account={"cash": Decimal("2012.00")}, working=(make_working(),)),
            SCENE.but(account={"cash": Decimal("1011.01")}, instrument={"ask": Decimal("10.11")}),
        ),
        unknown=(
            _account(cash=None),
            _account(cash=NAN),
            _account(fee_frac=None),
            _account(fee_frac=NAN),
            _order(limit_price=NAN),
            _order(quantity_shares=NAN),
            _account(cash=Decimal("Infinity")),
            SCENE.but(working=(make_working(reserved_cash=NAN),)),
        ),
    ),
    "sellable_shares": GateCase(
        at=(
            SALE.but(order={"quantity_shares": 300}),
            SALE.but(
                order={"quantity_shares": 200},
                working=(make_working(side=Side.SELL, open_shares=100),),
            ),
            SCENE.but(account={"sellable": {}}),
        ),
        beyond=(
            SALE.but(order={"quantity_shares": 301}),
            SALE.but(account={"sellable": {SYMBOL: 99}}),
            SALE.but(account={"shares": {SYMBOL: 99}}),
            SALE.but(account={"shares": {}, "sellable": {}}),
            SALE.but(
                order={"quantity_shares": 201},
                working=(make_working(side=Side.SELL, open_shares=100),),
            ),
        ),
        unknown=(SALE.but(account={"sellable": {}}), SALE.but(order={"quantity_shares": NAN})),
    ),
    "daily_loss": GateCase(
        at=(
            _account(start_equity=Decimal("101999.99"), equity=Decimal(100_000)),
            _account(start_equity=Decimal("1004999.99"), equity=Decimal(1_000_000)),
            _account(start_equity=Decimal(0), equity=Decimal(10)),
            _account(start_equity=Decimal("0.5"), equity=Decimal("0.5")),
        ),
        beyond=(
            _account(start_equity=Decimal(100_000), equity=Decimal(98_000)),
            _account(start_equity=Decimal(1_005_000), equity=Decimal(1_000_000)),
            _account(start_equity=Decimal(0), equity=Decimal(0)),
            _account(start_equity=Decimal(-10), equity=Decimal(-5)),
            _account(start_equity=Decimal(-1), equity=Decimal(0)),
            # A loss of all but a little of a book of a little.
            _account(start_equity=Decimal("1.5"), equity=Decimal("0.7")),
        ),
        unknown=(
            _account(start_equity=None),
            _account(equity=None),
            _account(start_equity=NAN),
            _account(equity=NAN),
        ),
    ),
    "drawdown": GateCase(
        at=(
            _account(peak_equity=Decimal(100_000), equity=Decimal("90000.01")),
            _account(peak_equity=Decimal("0.5"), equity=Decimal("0.5")),
        ),
        beyond=(
            _account(peak_equity=Decimal(100_000), equity=Decimal(90_000)),
            _account(peak_equity=Decimal(0), equity=Decimal(0)),
            _account(peak_equity=Decimal(-10), equity=Decimal(-5)),
            _account(peak_equity=Decimal(-1), equity=Decimal(0)),
        ),
        unknown=(
            _account(peak_equity=None),
            _account(equity=None),
            _account(peak_equity=NAN),
            _account(equity=NAN),
        ),
    ),
    "value_at_risk": GateCase(
        at=(
            # 2 % of 1,000, which is 20, on an equity of 1,000 as the whole of it.
            ALONE.but(account={"equity": Decimal(1_000)}),
            ALONE.but(returns={SYMBOL: steady_returns(60)}),
        ),
        beyond=(
            ALONE.but(account={"equity": Decimal("999.99")}),
            ALONE.but(account={"equity": Decimal(1_000)}, working=(make_working(),)),
            ALONE.but(account={"equity": Decimal(0)}),
            ALONE.but(account={"equity": Decimal(0)}, returns={SYMBOL: np.full(60, 0.001)}),
            ALONE.but(account={"equity": Decimal(-100_000)}),
        ),
        unknown=(
            ALONE.but(returns={}),
            ALONE.but(returns={SYMBOL: steady_returns(59)}),
            ALONE.but(returns={SYMBOL: _with_nan()}),
            ALONE.but(returns={SYMBOL: np.array([])}),
            ALONE.but(account={"equity": None}),
            ALONE.but(account={"equity": NAN}),
            _order(limit_price=NAN),
            SCENE.but(returns={SYMBOL: steady_returns()}),
            SCENE.but(returns={SYMBOL: steady_returns(), OTHER: steady_returns(99)}),
            SCENE.but(instruments={SYMBOL: make_instrument()}),
            SCENE.but(working=(make_working(symbol="600001.SH"),)),
        ),
    ),
    "order_rate": GateCase(
        at=(
            _sent(*[0.5] * 9, *[30.0] * 170),
            _sent(*[1.0] * 179),
            _sent(*[60.0] * 300),
            SCENE.but(sent_in_session={OTHER: 480, SYMBOL: 19}),
        ),
        beyond=(
            _sent(*[0.999999] * 10),
            _sent(*[59.999999] * 180),
            _sent(*[-3_600.0] * 10),
            SCENE.but(sent_in_session={OTHER: 500}),
            SCENE.but(sent_in_session={SYMBOL: 20}),
        ),
    ),
    "model_approved": GateCase(
        at=(SCENE,),
        beyond=(_environment(model_refusal="drifted red"), _environment(model_refusal="")),
        unknown=(_environment(model_version=None), _environment(model_version="")),
    ),
}
