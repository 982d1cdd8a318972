"""What events do to prices and share counts."""

from __future__ import annotations

import numpy as np
import pytest

from tradegraph_dagster.domain.corporate_actions.factors import (
    price_factor_step,
    reference_price,
    share_factor_step,
)

NOTHING = {
    "cash_per_share": 0.0,
    "bonus_ratio": 0.0,
    "rights_ratio": 0.0,
    "rights_price": 0.0,
    "split_ratio": 1.0,
}


def test_nothing_changes_nothing() -> None:
    assert reference_price(10.0, **NOTHING) == 10.0
    assert price_factor_step(10.0, 10.0) == 1.0
    assert share_factor_step(bonus_ratio=0.0, rights_ratio=0.0, split_ratio=1.0) == 1.0


@pytest.mark.parametrize(
    ("event", "price", "shares"),
    [
        ({"cash_per_share": 1.0}, 9.0, 1.0),
        ({"split_ratio": 4.0}, 2.5, 4.0),
        ({"split_ratio": 0.1}, 100.0, 0.1),
        ({"bonus_ratio": 0.25}, 8.0, 1.25),
        ({"rights_ratio": 1.0, "rights_price": 6.0}, 8.0, 2.0),
        ({"cash_per_share": 2.0, "split_ratio": 2.0}, 4.0, 2.0),
    ],
)
def test_each_kind_of_event(event: dict[str, float], price: float, shares: float) -> None:
    terms = {**NOTHING, **event}
    assert reference_price(10.0, **terms) == pytest.approx(price, abs=1e-12)
    ratios = {name: terms[name] for name in ("bonus_ratio", "rights_ratio", "split_ratio")}
    assert share_factor_step(**ratios) == shares


def test_arrays_give_the_bits_of_single_numbers() -> None:
    closes = np.array([10.0, 7.77, 123.45])
    terms = {**NOTHING, "cash_per_share": 0.236, "bonus_ratio": 0.45}
    together = reference_price(closes, **{k: np.full(3, v) for k, v in terms.items()})
    alone = [reference_price(float(close), **terms) for close in closes]
    assert together.tolist() == alone
