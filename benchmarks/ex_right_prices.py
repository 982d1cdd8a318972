"""How well events on record explain real ex-days, and factor chains a vendor's adjusted prices.

    python -m benchmarks.ex_right_prices ../shared/data

Data: 146 CSI300 members, 2020-01 to 2025-04 (baostock, with the exchange's previous closes),
implemented dividends (tushare), and forward-adjusted closes as of three later dates (tushare).
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from tradegraph_dagster.domain.core.frames import INSTANT, conform_frame
from tradegraph_dagster.domain.core.money import CENT
from tradegraph_dagster.domain.corporate_actions.reference_check import explain_references
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS

SNAPSHOTS = ("20250828", "20250930", "20260107")
LISTED = (
    "session",
    "symbol",
    "previous_close",
    "published",
    "computed",
    "paid_frac",
    "explanation",
)


def read_bars(data: Path) -> pl.DataFrame:
    """Daily rows with `previous_close` of the row before and `published` by the exchange."""
    raw = pl.read_parquet(data / "cn" / "raw_baostock_2020_2025.parquet")
    rows = raw.select(
        "close",
        session=pl.col("date").cast(pl.Date),
        symbol="ts_code",
        published="preclose",
        is_suspended=pl.col("tradestatus") == 0,
    ).sort("symbol", "session")
    # The vendor carries the last close through suspensions.
    return rows.with_columns(previous_close=pl.col("close").shift(1).over("symbol"))


def read_events(data: Path) -> pl.DataFrame:
    """Implemented dividends; some are in the table twice, and two on one day are one row."""
    table = pl.read_parquet(data / "cn" / "dividends_implemented.parquet").drop_nulls("ex_date")
    session = pl.col("ex_date").str.to_date()
    rows = table.select("cash_div_tax", "stk_div", session=session, symbol="ts_code").unique()
    summed = rows.group_by("session", "symbol").agg(
        cash_per_share=pl.col("cash_div_tax").sum(), bonus_ratio=pl.col("stk_div").sum()
    )
    return conform_frame(
        summed.with_columns(
            rights_ratio=0.0,
            rights_price=0.0,
            split_ratio=1.0,
            source=pl.lit("tushare"),
            known_at=pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        ).cast({"known_at": INSTANT}),
        CORPORATE_ACTIONS,
    )


def ex_day_table(data: Path) -> pl.DataFrame:
    """REFERENCE_CHECK rows of every ex-day."""
    return explain_references(read_bars(data), read_events(data), tick=CENT)


def ex_day_figures(table: pl.DataFrame) -> dict[str, float]:
    """Shares of the ex-days: those with a record, and of these those within 0 and 2 cents."""
    moved = (pl.col("previous_close") - pl.col("published")).abs() > float(CENT) / 2
    ex_days = table.filter(moved)
    on_record = ex_days.filter(pl.col("explanation") != "no_record")
    gap = (on_record["computed"] - on_record["published"]).abs()
    return {
        "ex_days": ex_days.height,
        "on_record_frac": on_record.height / ex_days.height,
        "equal_frac": (gap < 0.001).sum() / on_record.height,
        "two_cents_frac": (gap < 0.0201).sum() / on_record.height,
    }


def snapshot_gaps(data: Path, snapshot: str) -> pl.DataFrame:
    """Adjusted closes by the published previous closes, beside a vendor's, where both exist.

    The raw bars end before the snapshots. What happened in between scales a whole history by one
    number, which is read off the last common session; the vendor rounds every price to a cent, so
    that a price of 1.04 carries 0.5 % of it.
    """
    step = (pl.col("previous_close") / pl.col("published")).fill_null(1.0)
    chained = read_bars(data).with_columns(factor=step.cum_prod().over("symbol"))
    vendor = pl.read_parquet(data / "cn" / f"qfq_asof_{snapshot}.parquet").select(
        session=pl.col("date").cast(pl.Date), symbol="ts_code", vendor="close"
    )
    both = chained.filter(~pl.col("is_suspended")).join(vendor, on=["session", "symbol"])
    adjusted = pl.col("close") * pl.col("factor")
    scale = (pl.col("vendor") / adjusted).last().over("symbol", order_by="session")
    return both.select(
        "session", "symbol", "vendor", gap=(adjusted * scale / pl.col("vendor") - 1).abs()
    )


def main(data: Path) -> None:
    """Print the figures and every ex-day that is not explained to a cent."""
    table = ex_day_table(data)
    for name, figure in ex_day_figures(table).items():
        print(f"{name} {figure:.4f}")  # noqa: T201
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True):
        print(table.group_by("explanation").len().sort("len", descending=True))  # noqa: T201
        rest = table.filter(pl.col("explanation") != "agrees").select(LISTED)
        print(rest.sort("explanation", "session"))  # noqa: T201
    for snapshot in SNAPSHOTS:
        gaps = snapshot_gaps(data, snapshot)
        print(  # noqa: T201
            f"snapshot {snapshot} rows {gaps.height} symbols {gaps['symbol'].n_unique()} "
            f"largest gap {gaps['gap'].max():.4%} over 0.5 %: {(gaps['gap'] > 0.005).sum()}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
