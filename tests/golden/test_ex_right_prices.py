"""Published ex-right reference prices: SSE 4.3.2 and SZSE 4.4.2, rounded half-up to a cent.

Terms are per ten shares, as companies announce them.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tradegraph_dagster.domain.core.money import round_half_up, to_decimal
from tradegraph_dagster.domain.corporate_actions.factors import reference_price

RIGHTS_ISSUES = {
    "600584.SH": ("2010-10-22", "12.36"),
    "601009.SH": ("2010-11-24", "11.10"),
    "601328.SH": ("2010-06-23", "6.13"),
    "601939.SH": ("2010-11-15", "5.24"),
    "601988.SH": ("2010-11-11", "3.49"),
    "601998.SH": ("2011-07-07", "4.51"),
}


@pytest.mark.parametrize(
    ("previous", "cash", "bonus", "rights", "price", "published"),
    [
        (10.00, 1.0, 0.0, 0.0, 0.0, "9.90"),
        (10.00, 2.5, 4.0, 0.0, 0.0, "6.96"),
        (20.00, 3.0, 10.0, 0.0, 0.0, "9.85"),
        (10.00, 0.0, 0.0, 3.0, 6.0, "9.08"),
        (16.35, 2.36, 4.5, 0.0, 0.0, "11.11"),
    ],
)
def test_reference_price_as_published(
    previous: float, cash: float, bonus: float, rights: float, price: float, published: str
) -> None:
    reference = reference_price(
        previous,
        cash_per_share=cash / 10,
        bonus_ratio=bonus / 10,
        rights_ratio=rights / 10,
        rights_price=price,
        split_ratio=1.0,
    )
    assert round_half_up(to_decimal(reference)) == Decimal(published)


@pytest.fixture(scope="module")
def steps(shared_data: Path) -> pl.DataFrame:
    """Each event of 2010 and 2011 with the close before it and the step of a vendor's factor.

    The step is what the vendor's forward-adjusted closes (tushare) move by, over what the closes
    (TDX) moved by. Events on a day without a bar have none and are left out.
    """
    folder = shared_data / "cn"
    day = pl.col("date").cast(pl.Date)
    adjusted = pl.read_parquet(folder / "qfq_tushare_asof_20230317.parquet")
    raw = pl.read_parquet(folder / "raw_tdx_2010_2017.parquet")
    both = raw.select("ts_code", "close", session=day).join(
        adjusted.select("ts_code", session=day, adjusted="close"), on=["ts_code", "session"]
    )

    def before(name: str) -> pl.Expr:
        return pl.col(name).shift(1).over("ts_code", order_by="session")

    moved = both.with_columns(
        previous=before("close"),
        step=(pl.col("adjusted") / before("adjusted")) / (pl.col("close") / before("close")),
    )
    events = pl.read_parquet(folder / "tdx_weights_to_2011.parquet")
    dated = events.with_columns(session=pl.col("date").str.to_date())
    return dated.join(moved, on=["ts_code", "session"]).drop_nulls("step")


def published(row: dict[str, float]) -> Decimal:
    reference = reference_price(
        row["previous"],
        cash_per_share=row["cash_per10"] / 10,
        bonus_ratio=(row["gift_per10"] + row["increase_per10"]) / 10,
        rights_ratio=row["allot_per10"] / 10,
        rights_price=row["allot_price"],
        split_ratio=1.0,
    )
    return round_half_up(to_decimal(round(reference, 6)))


def test_real_rights_issues_have_the_vendor_s_factor(steps: pl.DataFrame) -> None:
    issues = {
        row["ts_code"]: row for row in steps.filter(pl.col("allot_per10") > 0).iter_rows(named=True)
    }
    found = {name: (str(row["session"]), str(published(row))) for name, row in issues.items()}
    assert found == RIGHTS_ISSUES
    for row in issues.values():
        # The exchange counts the shares subscribed, the record those offered: a little more.
        assert row["previous"] / float(published(row)) == pytest.approx(row["step"], rel=1e-3)


def test_real_events_of_two_years_have_the_vendor_s_factor(steps: pl.DataFrame) -> None:
    gaps = {
        (str(row["session"]), row["ts_code"]): abs(
            row["previous"] / float(published(row)) / row["step"] - 1
        )
        for row in steps.iter_rows(named=True)
    }
    assert len(gaps) == 289
    # Its record leaves out what was paid beside.
    assert [key for key, gap in gaps.items() if gap > 1e-3] == [("2010-06-18", "600741.SH")]
