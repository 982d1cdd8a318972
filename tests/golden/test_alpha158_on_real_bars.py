"""Alpha158 of real A-share bars, suspensions included, against the oracle.

Bars: baostock, 146 names, 2020 to 2025, unadjusted; adjusted here by the exchange's own pre-close.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.alpha158_oracle import FIELDS, Fields, alpha158_oracle
from tests.support.bar_grids import features_of
from tradegraph_dagster.domain.features.catalogue import load_feature_set

ALPHA158 = load_feature_set("alpha158")
NAMES = list(ALPHA158.definitions)
QUICK = 12


@pytest.fixture(scope="module")
def instruments(shared_data: Path) -> dict[str, Fields]:
    raw = pl.read_parquet(shared_data / "cn" / "raw_baostock_2020_2025.parquet")
    return {
        str(symbol): adjusted(rows.sort("date"))
        for (symbol,), rows in raw.sort("ts_code").group_by("ts_code", maintain_order=True)
    }


def adjusted(rows: pl.DataFrame) -> Fields:
    """Prices times the product of close over next pre-close; NaN where suspended."""
    close, before = (rows.get_column(name).to_numpy() for name in ("close", "preclose"))
    factor = np.cumprod(np.append(1.0, close[:-1] / before[1:]))
    volume = rows.get_column("volume").cast(pl.Float64).fill_null(0).to_numpy()
    amount = rows.get_column("amount").cast(pl.Float64).fill_null(0).to_numpy()
    is_traded = (rows.get_column("tradestatus").to_numpy() == 1) & (volume > 0)
    with np.errstate(all="ignore"):
        fields = {
            name: rows.get_column(name).to_numpy() * factor
            for name in ("open", "high", "low", "close")
        } | {"volume": volume / factor, "vwap": amount / volume * factor}
    return {name: np.where(is_traded, fields[name], np.nan) for name in FIELDS}


def assert_equals_oracle(symbol: str, fields: Fields) -> None:
    expected = alpha158_oracle(fields)
    for name, found in zip(NAMES, features_of(ALPHA158, fields).T, strict=True):
        np.testing.assert_allclose(
            found, expected[name], rtol=1e-6, atol=1e-7, err_msg=f"{symbol} {name}"
        )


def test_bars_hold_what_breaks_rolling_code(instruments: dict[str, Fields]) -> None:
    suspended = sum(int(np.isnan(fields["close"]).sum()) for fields in instruments.values())
    assert len(instruments) == 146
    assert suspended > 100


def test_some_names_equal_the_oracle(instruments: dict[str, Fields]) -> None:
    most_suspended = sorted(
        instruments, key=lambda name: -np.isnan(instruments[name]["close"]).sum()
    )
    for symbol in most_suspended[:QUICK]:
        assert_equals_oracle(symbol, instruments[symbol])


@pytest.mark.slow
def test_all_names_equal_the_oracle(instruments: dict[str, Fields]) -> None:
    for symbol, fields in instruments.items():
        assert_equals_oracle(symbol, fields)
