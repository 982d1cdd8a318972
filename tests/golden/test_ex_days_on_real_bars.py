"""Events on record explain real ex-days, and factors reproduce a vendor's adjusted prices.

Sources of the answers: previous closes by the exchange (baostock) and forward-adjusted closes as of
three later dates (tushare). `python -m benchmarks.ex_right_prices` prints the figures; so does
`pytest -s` on this file.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.ex_right_prices import (
    SNAPSHOTS,
    Share,
    adjusted_history,
    ex_day_table,
    figures_line,
    measure,
    published_chain,
    snapshot_gaps,
)
from tradegraph_dagster.domain.core.money import round_half_up, to_decimal

# Names and rows of each snapshot inside the span of the bars: none is left out.
PUBLISHED_ROWS = dict(zip(SNAPSHOTS, ((136, 106_301), (115, 143_445), (99, 29_952)), strict=True))
# Of these, the names whose ex-days all agree with their records.
RECORDED_ROWS = dict(zip(SNAPSHOTS, ((113, 88_610), (97, 121_462), (86, 26_013)), strict=True))


@pytest.fixture(scope="module")
def ex_days(shared_data: Path) -> pl.DataFrame:
    return ex_day_table(shared_data)


@pytest.fixture(scope="module")
def figures(shared_data: Path, ex_days: pl.DataFrame) -> dict[str, int | float]:
    found = measure(shared_data, ex_days)
    print(figures_line(found))  # noqa: T201
    return found


def test_ex_days_have_a_record_and_the_records_are_ex_days(
    figures: dict[str, int | float],
) -> None:
    assert (figures["on_record_hits"], figures["on_record_of"]) == (759, 763)
    assert figures["on_record"] >= 0.99
    # Two dividends of half a cent and less move no published price.
    assert (figures["shown_hits"], figures["shown_of"]) == (759, 761)
    assert figures["shown"] >= 0.99


def test_adjusted_bars_find_every_ex_day_on_record(figures: dict[str, int | float]) -> None:
    assert (figures["found_hits"], figures["found_of"]) == (759, 759)


def test_records_give_the_published_price(figures: dict[str, int | float]) -> None:
    assert (figures["equal_hits"], figures["equal_of"]) == (718, 759)
    assert figures["equal"] >= 0.93
    assert (figures["two_cents_hits"], figures["two_cents_of"]) == (744, 759)
    assert figures["two_cents"] >= 0.97


def test_reference_closes_of_adjusted_bars_are_those_computed(
    shared_data: Path, ex_days: pl.DataFrame
) -> None:
    adjusted = adjusted_history(shared_data).select("session", "symbol", "reference_close")
    both = ex_days.join(adjusted, on=["session", "symbol"])
    assert both.height == ex_days.height == 765
    for row in both.iter_rows(named=True):
        reference = to_decimal(round(row["reference_close"], 6))
        assert round_half_up(reference) == to_decimal(row["computed"])


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_wilson_s(hits: int, of: int, low: float, high: float) -> None:
    assert Share(hits, of).interval == pytest.approx((low, high), abs=5e-5)


def test_the_rest_is_explained(ex_days: pl.DataFrame) -> None:
    counted = dict(ex_days.group_by("explanation").len().iter_rows())
    assert counted == {
        # Two dividends of less than half a cent move no published price and agree all the same.
        "agrees": 720,
        "differential_payout": 38,
        "no_record": 4,
        "incomplete_record": 2,
        "restructuring": 1,
    }
    kinds = {
        (row["session"], row["symbol"]): row["explanation"] for row in ex_days.iter_rows(named=True)
    }
    # Rights issues, which the table of dividends does not have.
    for day, symbol in (
        (date(2020, 7, 20), "600999.SH"),
        (date(2020, 12, 17), "600919.SH"),
        (date(2021, 12, 2), "002142.SZ"),
        (date(2023, 6, 27), "601916.SH"),
    ):
        assert kinds[day, symbol] == "no_record"
    # Shares given to creditors, and a year's dividend of which only the special part is recorded.
    assert kinds[date(2021, 12, 22), "600515.SH"] == "restructuring"
    assert kinds[date(2021, 6, 30), "601601.SH"] == "incomplete_record"
    # Companies that hold own shares, year after year.
    payers = Counter(symbol for (_, symbol), kind in kinds.items() if kind == "differential_payout")
    assert len(payers) == 16
    assert (payers["601318.SH"], payers["000333.SZ"], payers["000651.SZ"]) == (9, 5, 5)


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_factors_give_the_vendor_s_adjusted_closes(
    figures: dict[str, int | float], snapshot: str
) -> None:
    """Those of published closes for all names, our own for the names whose ex-days all agree."""
    for chain, rows in (("published", PUBLISHED_ROWS), ("recorded", RECORDED_ROWS)):
        key = f"{chain}_{snapshot}"
        assert (figures[f"{key}_names"], figures[f"{key}_rows"]) == rows[snapshot]
        assert figures[f"{key}_over"] == 0
        assert figures[f"{key}_largest"] <= 0.005


def test_a_chain_with_one_wrong_factor_is_seen(shared_data: Path) -> None:
    chain = published_chain(shared_data)
    wrong = (pl.col("symbol") == "601318.SH") & (pl.col("session") >= date(2024, 7, 26))
    shifted = chain.with_columns(
        adjusted=pl.when(wrong).then(pl.col("adjusted") / 1.02).otherwise("adjusted")
    )
    gaps = snapshot_gaps(shared_data, SNAPSHOTS[0], shifted)
    assert set(gaps.filter(pl.col("gap") > 0.005)["symbol"]) == {"601318.SH"}
    holes = chain.filter(~(wrong & (pl.col("session") == date(2024, 8, 1))))
    assert snapshot_gaps(shared_data, SNAPSHOTS[0], holes)["gap"].max() == 1.0
