"""The mapping that paper and live use serves bars, listings and corporate actions of real data."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tradegraph_dagster.adapters.files.actions import FilesActions
from tradegraph_dagster.adapters.files.bars import FilesBars
from tradegraph_dagster.adapters.files.mapping import read_mapping
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.corporate_actions.adjust import bars_to_adjusted_bars
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.settings import PROJECT_ROOT, load_settings

CN = load_market("cn")
NAMES = ("600000.SH", "000333.SZ", "688981.SH")
SESSIONS = CN.calendar.between(date(2021, 1, 4), date(2024, 12, 31))
BAOSTOCK = PROJECT_ROOT / "config" / "mappings" / "baostock.yaml"


def code_of(symbol: str) -> str:
    return f"{symbol[-2:].lower()}.{symbol[:6]}"


@pytest.fixture
def raw(shared_data: Path) -> pl.DataFrame:
    path = shared_data / "cn" / "raw_baostock_2020_2025.parquet"
    return pl.read_parquet(path).filter(pl.col("ts_code").is_in(NAMES))


@pytest.fixture
def options(shared_data: Path, raw: pl.DataFrame, tmp_path: Path) -> FilesOptions:
    """The three files of a delivery, as the how-to describes them."""
    (tmp_path / "bars").mkdir()
    dated = raw.with_columns(pl.col("date").dt.strftime("%Y-%m-%d"))
    parts = dated.partition_by("ts_code", as_dict=True, include_key=False)
    for (symbol,), part in parts.items():
        code = code_of(symbol)
        part.with_columns(code=pl.lit(code)).write_csv(tmp_path / "bars" / f"{code}.csv")
    pl.DataFrame(
        {
            "code": [*(code_of(symbol) for symbol in NAMES), "sh.000001"],
            "code_name": ["SPDB", "Midea", "SMIC", "an index"],
            "ipoDate": ["1999-11-10", "2013-09-18", "2020-07-16", "1991-07-15"],
            "outDate": ["", "", "", ""],
        }
    ).write_csv(tmp_path / "stock_basic.csv")
    dividends = pl.read_parquet(shared_data / "cn" / "dividends_implemented.parquet")
    dividends.write_csv(tmp_path / "dividends.csv")
    return FilesOptions(folder=str(tmp_path), mapping=str(BAOSTOCK))


@pytest.mark.parametrize("environment", ["paper", "live"])
def test_every_files_source_that_is_shipped_names_events_and_delistings(environment: str) -> None:
    for market in load_settings(environment).markets.values():
        for source in (one for one in market.sources if one.kind == "files"):
            mapping = read_mapping(PROJECT_ROOT / source.parsed_options.mapping)
            assert mapping.actions is not None
            assert mapping.listings is not None
            assert "delisted_on" in mapping.listings.columns


def test_real_bars_in_the_shape_of_baostock(options: FilesOptions, raw: pl.DataFrame) -> None:
    source = FilesBars(CN, options)
    rows = check_frame(source.bars(SESSIONS), RAW_BARS)
    listed = check_frame(source.instruments(SESSIONS), INSTRUMENTS)
    truth = raw.filter(pl.col("date").cast(pl.Date).is_in(list(SESSIONS)))
    assert rows.height == truth.height == listed.height
    assert set(rows["symbol"]) == set(listed["symbol"]) == set(NAMES)
    assert set(listed["listed_on"]) == {date(1999, 11, 10), date(2013, 9, 18), date(2020, 7, 16)}
    assert rows["is_suspended"].sum() == (truth["tradestatus"] == 0).sum()
    traded = rows.filter(~pl.col("is_suspended"))
    vwap = traded["amount"] / traded["volume"]
    assert ((vwap >= traded["low"] - 0.01) & (vwap <= traded["high"] + 0.01)).all()


def test_real_events_make_the_reference_prices_of_the_exchange(
    options: FilesOptions, raw: pl.DataFrame
) -> None:
    bars = FilesBars(CN, options)
    actions = FilesActions(CN, options)
    events = check_frame(actions.corporate_actions(SESSIONS), CORPORATE_ACTIONS)
    opens = [CN.calendar.open_at(day) for day in events["session"]]
    assert (events["known_at"] < pl.Series(opens)).all()
    ours = events.filter(pl.col("symbol").is_in(NAMES))
    adjusted = bars_to_adjusted_bars(
        bars.bars(SESSIONS),
        ours,
        bars.instruments(SESSIONS),
        ADJUSTED_BARS.empty(),
        market=CN,
        sessions=SESSIONS,
    )
    published = raw.select("preclose", session=pl.col("date").cast(pl.Date), symbol="ts_code")
    on_ex_dates = adjusted.join(published, on=["session", "symbol"]).join(
        ours, on=["session", "symbol"], how="semi"
    )
    gap = (on_ex_dates["reference_close"] / on_ex_dates["preclose"] - 1).abs()
    # Treasury shares are paid nothing, so that the published price falls by a little less.
    assert len(gap) >= 8
    assert (gap < 2e-3).all()
