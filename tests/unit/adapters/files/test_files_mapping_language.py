"""What a mapping can say: archives, sums, conditions, and one file for several tables."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl
import pytest
import yaml

from tests.support.dirty_source import table_options
from tests.support.make_market_data import make_raw_bars
from tests.support.source_cases import DAYS
from tradegraph_dagster.adapters.files.actions import FilesActions
from tradegraph_dagster.adapters.files.bars import FilesBars
from tradegraph_dagster.adapters.files.folder import open_folder
from tradegraph_dagster.adapters.files.history import read_history
from tradegraph_dagster.adapters.files.mapping import read_mapping
from tradegraph_dagster.adapters.files.options import FilesOptions
from tradegraph_dagster.domain.core.errors import ConfigError, SchemaError
from tradegraph_dagster.domain.markets.catalogue import load_market

CN, US = load_market("cn"), load_market("us")
PRICES = ("open", "high", "low", "close")
BARS = make_raw_bars(DAYS)
KEY = {"session": "session", "symbol": "symbol"}
COLUMNS = KEY | {name: name for name in (*PRICES, "volume", "amount")}
EVENTS = """session,symbol,gift,increase,cash,state
2024-01-03,600000.SH,1.5,0.5,3.2,done
2024-01-03,000001.SZ,,2.0,0,done
2024-01-04,600000.SH,9,9,9,planned
"""
ACTIONS = {
    "files": "events.csv",
    "layout": "one_file",
    "only_when": {"state": "done"},
    "columns": KEY | {"cash_per_share": "cash", "bonus_ratio": ["gift", "increase"]},
    "multipliers": {"cash_per_share": 0.1, "bonus_ratio": 0.1},
}


def deliver(folder: Path, rows: pl.DataFrame = BARS, **mapping: Any) -> FilesOptions:
    rows.select(name for name in COLUMNS.values() if name in rows.columns).write_csv(
        folder / "bars.csv"
    )
    (folder / "events.csv").write_text(EVENTS)
    content = {
        "source": "mine",
        "symbol_style": "suffixed",
        "bars": {"files": "bars.csv", "layout": "one_file", "columns": COLUMNS},
        "actions": ACTIONS,
        **mapping,
    }
    (folder / "mapping.yaml").write_text(yaml.safe_dump(content))
    return FilesOptions(folder=str(folder), mapping=str(folder / "mapping.yaml"))


def test_columns_are_added_up_per_ten_and_only_decided_rows_count(tmp_path: Path) -> None:
    rows = FilesActions(CN, deliver(tmp_path)).corporate_actions(DAYS[1:])
    assert rows.select("session", "symbol", "cash_per_share", "bonus_ratio").rows() == [
        (date(2024, 1, 3), "000001.SZ", 0.0, pytest.approx(0.2)),
        (date(2024, 1, 3), "600000.SH", pytest.approx(0.32), pytest.approx(0.2)),
    ]


@pytest.mark.parametrize(
    "damage",
    [{"only_when": {"progress": "done"}}, {"columns": {**KEY, "bonus_ratio": ["gift", "other"]}}],
)
def test_a_column_that_is_not_there_is_named(tmp_path: Path, damage: dict[str, Any]) -> None:
    options = deliver(tmp_path, actions={**ACTIONS, "multipliers": {}, **damage})
    with pytest.raises(SchemaError, match=r"progress|other"):
        FilesActions(CN, options).corporate_actions(DAYS[1:])


def test_only_amounts_and_ratios_can_be_added_up(tmp_path: Path) -> None:
    bars = {"files": "b", "layout": "one_file", "columns": {**COLUMNS, "close": ["a", "b"]}}
    with pytest.raises(ConfigError, match="cannot be added up"):
        FilesBars(CN, deliver(tmp_path, bars=bars))


@pytest.mark.parametrize("absent", ["volume", "amount"])
def test_turnover_in_shares_or_in_money_is_enough(tmp_path: Path, absent: str) -> None:
    columns = {ours: theirs for ours, theirs in COLUMNS.items() if ours != absent}
    table = {"files": "bars.csv", "layout": "one_file", "columns": columns}
    options = deliver(
        tmp_path, BARS.drop(absent), bars=table | {"defaults": {absent: "from_prices"}}
    )
    traded = FilesBars(CN, options).bars(DAYS[1:]).filter(pl.col("volume") > 0)
    mean = pl.mean_horizontal(PRICES)
    off = (pl.col("amount") / pl.col("volume") / mean - 1).abs()
    assert traded.height
    assert traded.select(off.max()).item() < 1e-9


def test_neither_volume_nor_amount_is_refused(tmp_path: Path) -> None:
    columns = {ours: theirs for ours, theirs in COLUMNS.items() if ours in (*KEY, *PRICES)}
    defaults = {"volume": "from_prices", "amount": "from_prices"}
    table = {"files": "bars.csv", "layout": "one_file", "columns": columns, "defaults": defaults}
    with pytest.raises(ConfigError, match="one of volume, amount"):
        FilesBars(CN, deliver(tmp_path, bars=table))


def test_a_csv_in_an_archive_is_read_and_two_are_refused(tmp_path: Path) -> None:
    table = {"files": "bars.zip", "layout": "one_file", "columns": COLUMNS}
    options = deliver(tmp_path, bars=table)
    with ZipFile(tmp_path / "bars.zip", "w") as archive:
        archive.write(tmp_path / "bars.csv", "deep/bars.csv")
    assert FilesBars(CN, options).bars(DAYS[1:]).height
    with ZipFile(tmp_path / "bars.zip", "a") as archive:
        archive.write(tmp_path / "bars.csv", "again.csv")
    with pytest.raises(SchemaError, match=r"expected one \.csv in it, found 2"):
        FilesBars(CN, options).bars(DAYS[1:])


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    table = {"files": "bars.zip", "layout": "one_file", "columns": COLUMNS}
    options = deliver(tmp_path, bars=table)
    (tmp_path / "bars.zip").write_bytes(b"no archive")
    with pytest.raises(SchemaError, match=r"bars\.zip: cannot be read"):
        FilesBars(CN, options).bars(DAYS[1:])


def test_all_sources_of_a_folder_read_its_tables_once(tmp_path: Path) -> None:
    options = deliver(tmp_path)
    folder = open_folder(CN, options)
    read = folder.table(folder.mapping.bars)
    source = FilesBars(CN, options)
    source.bars(DAYS[1:])
    assert list(read_history(CN, options))
    assert open_folder(CN, options) is folder
    assert folder.table(folder.mapping.bars) is read
    assert open_folder(US, options) is not folder


def test_a_history_has_every_copy_of_a_row_and_the_events_between(tmp_path: Path) -> None:
    history = next(read_history(CN, deliver(tmp_path, pl.concat([BARS, BARS.head(1)]))))
    assert history.rows.height == BARS.height + 1
    events = history.rows.filter(pl.col("cash") > 0)
    assert events.select(pl.col("at").dt.date(), "symbol").rows() == [
        (date(2024, 1, 3), "600000.SH")
    ]
    assert events["split_ratio"].to_list() == pytest.approx([1.2])


@pytest.mark.parametrize("mapping", ["baostock_table", "tdx", "wiki", "tushare", "baostock"])
def test_shipped_mappings_can_be_used(mapping: str) -> None:
    path = Path(table_options(Path(), mapping).mapping)
    assert read_mapping(path).actions is not None


def test_the_wiki_table_gives_bars_and_events_of_one_file(shared_data: Path) -> None:
    """Apple split 7 for 1 on 2014-06-09, after a close of 645.57."""
    options = table_options(shared_data, "wiki", "us/quandl_wiki")
    sessions = US.calendar.between(date(2014, 6, 5), date(2014, 6, 10))
    bars = FilesBars(US, options).bars(sessions, ["AAPL", "BRK.A"])
    closes = dict(bars.filter(pl.col("symbol") == "AAPL").select("session", "close").iter_rows())
    assert (closes[date(2014, 6, 6)], closes[date(2014, 6, 9)]) == (645.57, 93.7)
    assert set(bars["symbol"]) == {"AAPL", "BRK.A"}
    events = FilesActions(US, options).corporate_actions(sessions)
    splits = events.select("session", "symbol", "cash_per_share", "split_ratio").rows()
    assert splits == [(date(2014, 6, 9), "AAPL", 0.0, 7.0)]


def test_rights_per_ten_shares_make_the_reference_of_the_exchange(shared_data: Path) -> None:
    """600000.SH: 3 bonus shares and 1.5 CNY for ten on 2010-06-10."""
    sessions = CN.calendar.between(date(2010, 6, 8), date(2010, 6, 11))
    events = FilesActions(CN, table_options(shared_data, "tdx")).corporate_actions(sessions)
    spdb = events.filter(pl.col("symbol") == "600000.SH")
    assert spdb.select("session", "cash_per_share", "bonus_ratio").rows() == [
        (date(2010, 6, 10), pytest.approx(0.15), pytest.approx(0.3))
    ]
