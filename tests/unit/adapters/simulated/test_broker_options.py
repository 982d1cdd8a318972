from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from tradegraph_dagster.adapters.simulated.broker_options import OPTIONS


def test_money_is_read_from_text_digit_for_digit() -> None:
    assert OPTIONS.model_validate({"opening_cash": "1000000.10"}).opening_cash == Decimal(
        "1000000.10"
    )
    assert OPTIONS.model_validate({"opening_cash": 5}).opening_cash == 5


@pytest.mark.parametrize(
    "options",
    [
        {"opening_cash": 0.1},
        {"opening_cash": "a lot"},
        {"opening_cash": "-1"},
        {"opening_cash": "NaN"},
        {"opening_cash": "1.001"},
        {"opening_cash": True},
        {"fill_at": "noon"},
        {"max_volume_frac": 0},
        {"max_volume_frac": 1.1},
        {"max_volume_frac": float("nan")},
        {"slippage_bps": -1},
        {"slippage": 1},
        {"max_volume_frac": "0.1"},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict) -> None:
    with pytest.raises(ValidationError):
        OPTIONS.model_validate(options)
