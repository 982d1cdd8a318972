from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.support.trading_world import make_actions
from tradegraph_dagster.domain.core.money import CENT
from tradegraph_dagster.domain.corporate_actions.factors import reference_price
from tradegraph_dagster.domain.orders.entitlements import (
    Entitlement,
    ex_right_price,
    frame_to_actions,
    holding_to_entitlement,
)


def action(**event: float):
    return frame_to_actions(make_actions(date(2024, 1, 3), {"symbol": "AAA", **event}))["AAA"]


@pytest.mark.parametrize(
    ("close", "event", "reference"),
    [
        ("10.00", {"cash_per_share": 0.1}, "9.90"),
        ("10.00", {"cash_per_share": 0.25, "bonus_ratio": 0.4}, "6.96"),
        ("20.00", {"cash_per_share": 0.3, "bonus_ratio": 1.0}, "9.85"),
        ("10.00", {"rights_ratio": 0.3, "rights_price": 6.0}, "9.08"),
        ("16.35", {"cash_per_share": 0.236, "bonus_ratio": 0.45}, "11.11"),
        ("100.00", {"split_ratio": 4.0}, "25.00"),
        ("1.23", {"split_ratio": 0.1}, "12.30"),
    ],
)
def test_the_reference_price_is_what_exchanges_publish(close, event, reference) -> None:
    assert ex_right_price(Decimal(close), action(**event), CENT) == Decimal(reference)


@pytest.mark.parametrize(
    "event", [{"cash_per_share": 0.37, "bonus_ratio": 0.3}, {"split_ratio": 3}]
)
def test_it_agrees_with_the_factor_that_adjusts_prices(event: dict[str, float]) -> None:
    row = make_actions(date(2024, 1, 3), {"symbol": "AAA", **event}).row(0, named=True)
    names = ("cash_per_share", "bonus_ratio", "rights_ratio", "rights_price", "split_ratio")
    unrounded = reference_price(17.77, **{name: row[name] for name in names})
    rounded = float(ex_right_price(Decimal("17.77"), action(**event), CENT))
    assert rounded == pytest.approx(unrounded, abs=0.005 + 1e-9)


@pytest.mark.parametrize(
    ("shares", "event", "entitlement"),
    [
        (6_000, {"bonus_ratio": 0.15}, Entitlement(900, 0, Decimal(0))),
        (137, {"bonus_ratio": 0.4}, Entitlement(54, 0, Decimal(0))),
        (137, {"cash_per_share": 0.236}, Entitlement(0, 0, Decimal("32.33"))),
        (100, {"bonus_ratio": 0.5, "split_ratio": 2.0}, Entitlement(50, 150, Decimal(0))),
        (15, {"split_ratio": 0.1}, Entitlement(0, -14, Decimal(0))),
        (100, {"rights_ratio": 0.3, "rights_price": 6.0}, Entitlement(0, 0, Decimal(0))),
    ],
)
def test_fractions_of_a_share_are_dropped(shares, event, entitlement) -> None:
    assert holding_to_entitlement(shares, action(**event)) == entitlement
