from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import MissingSession
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.orders.prices import bars_to_prices, read_prices
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

SESSION = date(2024, 1, 3)


def make_bars(last: float | None = 50.0, reference: float | None = 10.0) -> pl.DataFrame:
    bars = make_adjusted_bars([SESSION], ["AAA"])
    return bars.with_columns(
        last_raw_close=pl.lit(last, pl.Float64), reference_close=pl.lit(reference, pl.Float64)
    )


@pytest.mark.parametrize(
    ("validated", "last", "reference", "prices"),
    [
        (["AAA"], 50.0, 10.0, {"AAA": 50.0}),
        ([], 50.0, 10.0, {"AAA": 10.0}),
        (["BBB"], 50.0, 10.0, {"AAA": 10.0}),
        ([], 50.0, None, {}),
        (["AAA"], None, 10.0, {}),
        (["AAA"], 0.0, 10.0, {}),
        ([], 50.0, 0.0, {}),
    ],
)
def test_only_a_validated_bar_gives_its_own_close(validated, last, reference, prices) -> None:
    assert bars_to_prices(make_bars(last, reference), validated) == prices


@pytest.mark.parametrize(
    ("validated", "price"), [(["AAA"], 50.0), ([], 10.0), (None, 10.0)], ids=str
)
def test_a_session_without_validated_bars_has_reference_prices(
    validated: Sequence[str] | None, price: float
) -> None:
    store, bars = MemoryFrameStore(), make_bars()
    store.write(ADJUSTED_BARS, SESSION, bars)
    if validated is not None:
        kept = bars.filter(pl.col("symbol").is_in(list(validated)))
        store.write(VALIDATED_BARS, SESSION, kept)
    assert read_prices(Workspace(PlainMarket(), store, SESSION), SESSION) == {"AAA": price}


def test_without_bars_there_are_no_prices() -> None:
    with pytest.raises(MissingSession, match=ADJUSTED_BARS.name):
        read_prices(Workspace(PlainMarket(), MemoryFrameStore(), SESSION), SESSION)
