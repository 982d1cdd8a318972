"""Folders in the shape of two vendors are read into one form, and mistakes are named."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.support.make_market_data import make_raw_bars
from tests.support.source_cases import DAYS, write_tushare_files
from tradegraph_dagster.adapters.files.actions import FilesActions
from tradegraph_dagster.adapters.files.bars import FilesBars
from tradegraph_dagster.adapters.files.folder import spell_symbol
from tradegraph_dagster.adapters.files.mapping import BarsMapping
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.adapters.files.reading import read_table
from tradegraph_dagster.domain.core.errors import (
    ConfigError,
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.markets.catalogue import load_market

CN = load_market("cn")
SESSIONS = DAYS[1:]
BARS = make_raw_bars(DAYS)
COLUMNS = {
    name: name for name in ("session", "symbol", "open", "high", "low", "close", "volume", "amount")
}


def mapped(folder: Path, content: dict[str, Any]) -> FilesOptions:
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump(content))
    return FilesOptions(folder=str(folder), mapping=str(path))


def plain_mapping(**bars: Any) -> dict[str, Any]:
    table = {"files": "bars.csv", "layout": "one_file", "columns": COLUMNS, **bars}
    return {"source": "mine", "symbol_style": "suffixed", "bars": table}


def write_plain(folder: Path, rows: pl.DataFrame = BARS) -> None:
    rows.select(name for name in COLUMNS if name in rows.columns).write_csv(folder / "bars.csv")


def tushare(folder: Path) -> FilesOptions:
    return FilesOptions(**write_tushare_files(folder))


def values(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("source", "known_at")


def test_tushare_units_become_shares_and_yuan(tmp_path: Path) -> None:
    rows = FilesBars(CN, tushare(tmp_path)).bars(SESSIONS)
    expected = BARS.filter(pl.col("session").is_in(list(SESSIONS)))
    assert values(rows).drop("amount").equals(values(expected).drop("amount"))
    assert (rows["amount"] / expected["amount"] - 1).abs().max() < 1e-12


def test_tushare_listings_name_the_instruments(tmp_path: Path) -> None:
    rows = FilesBars(CN, tushare(tmp_path)).instruments(SESSIONS[:1])
    assert rows.select("symbol", "name", "board", "listed_on").rows() == [
        ("000001.SZ", "Ping An", "main", date(1991, 4, 3)),
        ("600000.SH", "SPDB", "main", date(1999, 11, 10)),
    ]


def test_a_day_that_a_vendor_leaves_out_is_a_suspension(tmp_path: Path) -> None:
    options = tushare(tmp_path)
    text = (
        Path(options.mapping)
        .read_text()
        .replace("missing_rows: suspended", "missing_rows: suspended\n  max_vanished_frac: 0.5")
    )
    (tmp_path / "mapping.yaml").write_text(text)
    options = options.model_copy(update={"mapping": str(tmp_path / "mapping.yaml")})
    path = tmp_path / "daily.parquet"
    gone = (pl.col("ts_code") == "600000.SH") & (pl.col("trade_date") == "20240104")
    pl.read_parquet(path).filter(~gone).write_parquet(path)
    source = FilesBars(CN, options)
    bar = source.bars([date(2024, 1, 4)]).filter(pl.col("symbol") == "600000.SH")
    assert bar["is_suspended"].to_list() == [True]
    assert bar["close"].to_list() == [None]
    assert source.instruments([date(2024, 1, 4)])["symbol"].to_list() == ["000001.SZ", "600000.SH"]


def test_tushare_dividends_are_a_share_and_undated_ones_are_left_out(tmp_path: Path) -> None:
    rows = FilesActions(CN, tushare(tmp_path)).corporate_actions(SESSIONS)
    assert rows.select("session", "symbol", "cash_per_share", "bonus_ratio").rows() == [
        (date(2024, 1, 3), "600000.SH", 0.32, 0.1)
    ]
    # The announcement's day counts from its end, 16:00 UTC in Shanghai.
    assert rows["known_at"].to_list() == [datetime(2023, 12, 28, 16, tzinfo=UTC)]


def test_two_events_of_a_day_are_one_and_a_repeated_row_counts_once(tmp_path: Path) -> None:
    options = tushare(tmp_path)
    path = tmp_path / "dividend.csv"
    again = "600000.SH,20240103,0.32,0.1,20231228\n600000.SH,20240103,0.5,0.0,20231229\n"
    path.write_text(path.read_text() + again)
    rows = FilesActions(CN, options).corporate_actions(SESSIONS)
    assert rows.select("cash_per_share", "bonus_ratio").rows() == [(pytest.approx(0.82), 0.1)]


def test_an_ex_date_on_a_closed_day_is_suspect(tmp_path: Path) -> None:
    options = tushare(tmp_path)
    path = tmp_path / "dividend.csv"
    path.write_text(path.read_text() + "600000.SH,20240106,0.5,0.0,20231229\n")
    source = FilesActions(CN, options)
    assert source.corporate_actions([date(2024, 1, 5)]).is_empty()
    with pytest.raises(SourceSuspect, match="2024-01-06"):
        source.corporate_actions([date(2024, 1, 8)])


def test_bars_are_known_when_their_file_was_written(tmp_path: Path) -> None:
    write_plain(tmp_path)
    when = datetime(2024, 1, 9, 8, tzinfo=UTC)
    os.utime(tmp_path / "bars.csv", (when.timestamp(), when.timestamp()))
    rows = FilesBars(CN, mapped(tmp_path, plain_mapping())).bars(SESSIONS)
    assert rows["known_at"].unique().to_list() == [when]


def test_a_column_may_say_when_bars_were_known(tmp_path: Path) -> None:
    BARS.with_columns(seen=pl.lit("2024-02-01")).drop("known_at").write_csv(tmp_path / "bars.csv")
    options = mapped(tmp_path, plain_mapping(columns={**COLUMNS, "known_at": "seen"}))
    rows = FilesBars(CN, options).bars(SESSIONS)
    assert rows["known_at"].unique().to_list() == [datetime(2024, 2, 1, 16, tzinfo=UTC)]


SHANGHAI, UTC_ZONE = "Asia/Shanghai", "UTC"


@pytest.mark.parametrize("stored_in", [None, SHANGHAI, UTC_ZONE])
@pytest.mark.parametrize("hour", [0, 15])
def test_a_day_kept_as_an_instant_is_the_day_on_the_markets_clock(
    tmp_path: Path, stored_in: str | None, hour: int
) -> None:
    local = pl.col("session").cast(pl.Datetime("us")).dt.offset_by(f"{hour}h")
    if stored_in is not None:
        local = local.dt.replace_time_zone(SHANGHAI).dt.convert_time_zone(stored_in)
    BARS.with_columns(local).write_parquet(tmp_path / "bars.parquet")
    rows = FilesBars(CN, mapped(tmp_path, plain_mapping(files="bars.parquet"))).bars(SESSIONS)
    expected = BARS.filter(pl.col("session").is_in(SESSIONS))
    assert rows.select("session", "symbol", "close").equals(
        expected.select("session", "symbol", "close")
    )


def test_a_day_kept_as_midnight_of_another_zone_is_that_day(tmp_path: Path) -> None:
    midnight = pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    BARS.with_columns(midnight).write_parquet(tmp_path / "bars.parquet")
    table = plain_mapping(files="bars.parquet")["bars"]
    rows = read_table([tmp_path / "bars.parquet"], BarsMapping(**table), "America/New_York")
    assert rows["session"].equals(BARS["session"])


@pytest.mark.parametrize("zone", [None, SHANGHAI, UTC_ZONE])
def test_a_day_of_announcement_kept_as_midnight_counts_from_its_end(
    tmp_path: Path, zone: str | None
) -> None:
    seen = pl.lit(datetime(2024, 2, 1))  # noqa: DTZ001
    if zone is not None:
        seen = seen.dt.replace_time_zone(SHANGHAI).dt.convert_time_zone(zone)
    BARS.drop("known_at").with_columns(seen=seen).write_parquet(tmp_path / "bars.parquet")
    columns = {**COLUMNS, "known_at": "seen"}
    options = mapped(tmp_path, plain_mapping(files="bars.parquet", columns=columns))
    rows = FilesBars(CN, options).bars(SESSIONS)
    assert rows["known_at"].unique().to_list() == [datetime(2024, 2, 1, 16, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("written", "true_when"),
    [
        ([1, 0], {}),
        ([1.0, 0.0], {}),
        ([1.0, 0.0], {"is_st": "1.0"}),
        ([True, False], {}),
        ([False, True], {"is_st": "false"}),
        (["ST", ""], {"is_st": "ST"}),
    ],
    ids=str,
)
def test_a_flag_is_read_however_it_is_stored(
    tmp_path: Path, written: list[object], true_when: dict[str, str]
) -> None:
    flags = pl.DataFrame({"symbol": BARS["symbol"].unique().sort(), "st": written}, strict=False)
    BARS.join(flags, on="symbol").write_parquet(tmp_path / "bars.parquet")
    columns = {**COLUMNS, "is_st": "st"}
    content = plain_mapping(files="bars.parquet", columns=columns, true_when=true_when)
    rows = FilesBars(CN, mapped(tmp_path, content)).instruments([DAYS[-1]])
    assert rows.sort("symbol")["is_st"].to_list() == [True, False]


def test_a_new_delivery_is_seen(tmp_path: Path) -> None:
    write_plain(tmp_path, BARS.filter(pl.col("session") < DAYS[-1]))
    source = FilesBars(CN, mapped(tmp_path, plain_mapping()))
    with pytest.raises(SourceUnavailable, match=str(DAYS[-1])):
        source.bars([DAYS[-1]])
    write_plain(tmp_path)
    assert source.bars([DAYS[-1]]).height == 2


def test_a_hole_between_sessions_is_suspect(tmp_path: Path) -> None:
    write_plain(tmp_path, BARS.filter(pl.col("session") != DAYS[3]))
    source = FilesBars(CN, mapped(tmp_path, plain_mapping()))
    with pytest.raises(SourceSuspect, match=str(DAYS[3])):
        source.bars(SESSIONS)


def test_amount_may_be_made_from_prices_and_symbols_from_file_names(tmp_path: Path) -> None:
    for (symbol,), part in BARS.partition_by("symbol", as_dict=True).items():
        part.drop("amount", "symbol").write_csv(tmp_path / f"{symbol[:6]}.csv")
    columns = {name: name for name in COLUMNS if name not in ("amount", "symbol")}
    content = plain_mapping(
        files="*.csv",
        layout="file_per_symbol",
        columns=columns,
        defaults={"amount": "from_prices"},
    )
    rows = FilesBars(CN, mapped(tmp_path, {**content, "symbol_style": "bare"})).bars(SESSIONS[:1])
    assert rows["symbol"].to_list() == ["000001.SZ", "600000.SH"]
    typical = (rows["open"] + rows["high"] + rows["low"] + rows["close"]) / 4
    assert rows["amount"].equals((rows["volume"] * typical).alias("amount"))


def test_a_repeated_row_is_left_for_the_step_to_judge(tmp_path: Path) -> None:
    write_plain(tmp_path, pl.concat([BARS, BARS.tail(1)]))
    rows = FilesBars(CN, mapped(tmp_path, plain_mapping())).bars(SESSIONS)
    with pytest.raises(SchemaError, match="repeated"):
        check_frame(rows, RAW_BARS)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"columns": {**COLUMNS, "close": "Close"}}, "'close': 'Close'"),
        ({"date_format": "%d.%m.%Y"}, "'session': expected a date"),
    ],
)
def test_a_file_that_is_not_as_mapped_is_named(
    tmp_path: Path, damage: dict[str, Any], said: str
) -> None:
    write_plain(tmp_path)
    source = FilesBars(CN, mapped(tmp_path, plain_mapping(**damage)))
    with pytest.raises(SchemaError, match=said) as caught:
        source.bars(SESSIONS)
    assert "bars.csv" in str(caught.value)


def test_what_is_no_number_is_named(tmp_path: Path) -> None:
    close = pl.col("close").cast(pl.String)
    write_plain(
        tmp_path,
        BARS.with_columns(
            close=pl.when(close == close.first()).then(pl.lit("n/a")).otherwise(close)
        ),
    )
    with pytest.raises(
        SchemaError, match=r"bars\.csv: column 'close': expected a number, found 'n/a'"
    ):
        FilesBars(CN, mapped(tmp_path, plain_mapping())).bars(SESSIONS)


def test_a_row_without_a_date_is_refused(tmp_path: Path) -> None:
    write_plain(tmp_path, BARS.with_columns(session=pl.when(pl.col("open") > 0).then(None)))
    with pytest.raises(SchemaError, match="a date and a symbol in every row"):
        FilesBars(CN, mapped(tmp_path, plain_mapping())).bars(SESSIONS)


@pytest.mark.parametrize(
    "damage",
    [
        {"layout": "two_files"},
        {"columns": {name: name for name in COLUMNS if name != "close"}},
        {"columns": {**COLUMNS, "colour": "colour"}},
        {"columns": {name: name for name in COLUMNS if name != "symbol"}},
        {"defaults": {"close": 3.0}},
        {"surprise": 1},
        {"multipliers": {"volume": "100"}},
    ],
)
def test_a_mapping_that_cannot_work_is_refused(tmp_path: Path, damage: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"mapping\.yaml"):
        FilesBars(CN, mapped(tmp_path, plain_mapping(**damage)))


def test_folders_and_files_that_are_not_there(tmp_path: Path) -> None:
    options = mapped(tmp_path, plain_mapping())
    with pytest.raises(SourceUnavailable, match=r"bars\.csv"):
        FilesBars(CN, options).bars(SESSIONS)
    with pytest.raises(ConfigError, match="does not exist"):
        FilesBars(CN, options.model_copy(update={"folder": "nowhere"})).bars(SESSIONS)
    with pytest.raises(ConfigError, match="cannot be read"):
        FilesBars(CN, options.model_copy(update={"mapping": "nothing.yaml"}))
    with pytest.raises(SourceRefused, match="add a table `actions`"):
        FilesActions(CN, options).corporate_actions(SESSIONS)


def test_one_file_means_one(tmp_path: Path) -> None:
    write_plain(tmp_path)
    (tmp_path / "bars2.csv").write_bytes((tmp_path / "bars.csv").read_bytes())
    with pytest.raises(ConfigError, match="found 2"):
        FilesBars(CN, mapped(tmp_path, plain_mapping(files="bars*.csv"))).bars(SESSIONS)


@pytest.mark.parametrize(
    ("written", "style", "spelled"),
    [
        ("600000.sh", "suffixed", "600000.SH"),
        ("sh.600000", "prefixed", "600000.SH"),
        ("SZ000001", "prefixed", "000001.SZ"),
        ("hk.00700", "prefixed", "hk.00700"),
        ("1", "bare", "000001.SZ"),
        ("688981", "bare", "688981.SH"),
        ("920123", "bare", "920123.BJ"),
        ("900901", "bare", "900901"),
        ("aapl", "ticker", "AAPL"),
    ],
)
def test_symbols_are_spelled_as_the_market_does(written: str, style: str, spelled: str) -> None:
    assert spell_symbol(written, style, CN) == spelled
