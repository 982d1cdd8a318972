"""Adjustment against two vendors' own answers, on real bars.

Sources of the answers: the WIKI price table (adjusted closes of AAPL with its 7:1 split), and
baostock's exchange pre-close, which is the published ex-right reference price.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.frames import INSTANT, conform_frame
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.catalogue import load_market


def dress(rows: pl.DataFrame, schema, **columns: pl.Expr) -> pl.DataFrame:
    midday = pl.col("session").cast(pl.Datetime("us")).dt.offset_by("12h")
    known = midday.dt.replace_time_zone("UTC").cast(INSTANT)
    return conform_frame(
        rows.with_columns(source=pl.lit("vendor"), known_at=known, **columns), schema
    )


def adjust(market_name: str, rows: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Rows with session, symbol, OHLC, volume, amount and is_suspended; events as stored."""
    market = load_market(market_name)
    sessions = market.calendar.between(rows["session"].min(), rows["session"].max())
    none = {"rights_ratio": pl.lit(0.0), "rights_price": pl.lit(0.0)}
    return bars_to_adjusted_bars(
        dress(rows, RAW_BARS),
        dress(events, CORPORATE_ACTIONS, **none),
        conform_frame(
            rows.with_columns(
                name=pl.col("symbol"),
                board=pl.lit("any"),
                listed_on=pl.col("session").min().over("symbol"),
                is_st=pl.lit(False),
                industry=pl.lit(None, pl.String),
            ),
            INSTRUMENTS,
        ),
        ADJUSTED_BARS.empty(),
        market=market,
        sessions=sessions,
    )


def test_the_seven_for_one_split_of_aapl(shared_data: Path) -> None:
    archive = shared_data / "us" / "quandl_wiki" / "QUANDL_ARCHIVE.zip"
    with zipfile.ZipFile(archive) as files:
        table = pl.read_csv(files.read("QUANDL_SAMPLE_TABLE.csv"), infer_schema_length=None)
    rows = (
        table.filter(pl.col("ticker") == "AAPL")
        .with_columns(
            session=pl.col("date").str.to_date(),
            symbol=pl.col("ticker"),
            amount=pl.col("volume") * pl.col("close"),
            is_suspended=pl.lit(False),
        )
        .sort("session")
    )
    happened = (pl.col("split_ratio") != 1) | (pl.col("ex-dividend") != 0)
    events = rows.filter(happened).select(
        "session",
        "symbol",
        "split_ratio",
        cash_per_share=pl.col("ex-dividend"),
        bonus_ratio=pl.lit(0.0),
    )
    ours = adjust("us", rows, events)["close"].to_numpy()
    theirs = rows["adj_close"].to_numpy()
    gap = np.abs((ours[1:] / ours[:-1]) / (theirs[1:] / theirs[:-1]) - 1)
    is_dividend = rows["ex-dividend"].to_numpy()[1:] != 0
    assert (rows["split_ratio"] == 7).sum() == 1
    assert gap[~is_dividend].max() < 1e-9
    # The vendor adds the dividend to the day's close, we take it from the close before: the two
    # differ by dividend times return.
    assert gap[is_dividend].max() < 5e-4


def test_reference_prices_are_what_the_exchange_published(shared_data: Path) -> None:
    raw = pl.read_parquet(shared_data / "cn" / "raw_baostock_2020_2025.parquet")
    dividends = pl.read_parquet(shared_data / "cn" / "dividends_implemented.parquet")
    rows = raw.with_columns(
        pl.col("volume", "amount").fill_null(0.0),
        session=pl.col("date").cast(pl.Date),
        symbol=pl.col("ts_code"),
        is_suspended=pl.col("tradestatus") == 0,
    )
    events = (
        dividends.filter(pl.col("ts_code").is_in(rows["symbol"].unique().to_list()))
        .drop_nulls("ex_date")
        .select(
            "cash_div_tax", "stk_div", session=pl.col("ex_date").str.to_date(), symbol="ts_code"
        )
        # Some events are in the table twice.
        .unique()
        .group_by("session", "symbol")
        .agg(cash_per_share=pl.col("cash_div_tax").sum(), bonus_ratio=pl.col("stk_div").sum())
        .with_columns(split_ratio=pl.lit(1.0))
        .filter(pl.col("session").is_between(rows["session"].min(), rows["session"].max()))
    )
    adjusted = adjust("cn", rows, events)
    both = adjusted.join(rows.select("session", "symbol", "preclose"), on=["session", "symbol"])
    both = both.with_columns(gap=(pl.col("reference_close") - pl.col("preclose")).abs())
    every_day = both["gap"].drop_nulls()
    ex_days = both.join(events, on=["session", "symbol"])["gap"].drop_nulls()
    assert len(ex_days) > 700
    # The published price is rounded to a cent. What is left are payouts that leave out treasury
    # shares, restructurings, and four rights issues that the table of events does not have.
    assert (ex_days <= 0.0051).mean() > 0.94
    assert (ex_days <= 0.0201).mean() > 0.98
    assert (every_day <= 0.0051).mean() > 0.9997
