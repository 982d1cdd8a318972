from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tests.support.plain_market import PlainMarket, make_instruments
from tests.support.trading_world import bar_row
from tradegraph_dagster.adapters.simulated.tape import Tape, frames_to_tapes
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS

DAY = date(2024, 1, 3)


def one_tape(fill_at: Any, **changes: object) -> Tape:
    row = bar_row(DAY, "AAA", (10.0, 10.6, 9.8, 10.2), reference=10.0) | changes
    bars = conform_frame(pl.DataFrame([row], schema_overrides=ADJUSTED_BARS.dtypes), ADJUSTED_BARS)
    tapes = frames_to_tapes(
        bars, make_instruments(bars), {"AAA"}, market=PlainMarket(), fill_at=fill_at
    )
    return tapes["AAA"]


@pytest.mark.parametrize(
    ("fill_at", "price"), [("open", "10.00"), ("close", "10.20"), ("vwap", "10.13")]
)
def test_the_price_is_the_one_that_was_asked_for(fill_at: str, price: str) -> None:
    found = one_tape(fill_at, volume=30_000.0, amount=303_990.0)
    assert (found.price, found.volume_shares) == (Decimal(price), 30_000)


@pytest.mark.parametrize(("amount", "price"), [(90_000.0, "9.80"), (400_000.0, "10.60")])
def test_a_mean_price_stays_among_the_trades(amount: float, price: str) -> None:
    assert one_tape("vwap", volume=10_000.0, amount=amount).price == Decimal(price)


def test_the_mean_price_is_of_raw_shares() -> None:
    found = one_tape("vwap", volume=5_000.0, share_factor=2.0, amount=102_000.0)
    assert (found.price, found.volume_shares) == (Decimal("10.20"), 10_000)


@pytest.mark.parametrize("changes", [{"volume": 0.0}, {"is_suspended": True}])
def test_without_trades_there_is_no_mean_price(changes: dict[str, object]) -> None:
    assert one_tape("vwap", **changes).price is None
