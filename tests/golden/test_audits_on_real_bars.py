"""Real histories without vendor errors give next to no findings, and what is found is true."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.dirty_source import table_options
from tradegraph_dagster.adapters.files.history import read_history
from tradegraph_dagster.adapters.sample.actions import recover_events
from tradegraph_dagster.adapters.sample.table import read_table
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.quality.audit_history import audit_history
from tradegraph_dagster.domain.quality.history import rows_to_history


def test_unadjusted_chinese_bars_have_one_event_that_the_price_denies(shared_data: Path) -> None:
    """600515.SH was restructured: 1.92 new shares a share are on record, which went to creditors.

    The exchange lowered the reference from 8.67 to 6.20 and not to 2.97; the close of 5.58 is the
    lower limit of that.
    """
    history = next(read_history(load_market("cn"), table_options(shared_data, "baostock_table")))
    assert history.rows.height == 180_011
    found = audit_history(history).select("audit", "symbol", "session")
    assert found.rows() == [("bad_split", "600515.SH", date(2021, 12, 22))]


@pytest.mark.parametrize(
    ("market", "mapping", "folder", "rows", "events"),
    [("cn", "tdx", "cn", 163_598, 162), ("us", "wiki", "us/quandl_wiki", 916, 9)],
)
def test_nothing_is_found_in_clean_tables(
    shared_data: Path, market: str, mapping: str, folder: str, rows: int, events: int
) -> None:
    history = next(read_history(load_market(market), table_options(shared_data, mapping, folder)))
    changed = (pl.col("cash") != 0) | (pl.col("split_ratio") != 1)
    assert (history.rows.height, history.rows.filter(changed).height) == (rows, events)
    assert audit_history(history).is_empty()


def test_nothing_is_found_in_the_sample_package() -> None:
    table = read_table()
    events = recover_events(table)
    rows = table.join(events, on=["session", "symbol"], how="left").select(
        "symbol",
        *("open", "high", "low", "close", "volume", "split_ratio", "adjusted_close"),
        at=pl.col("session").cast(pl.Datetime("us")),
        cash="cash_per_share",
    )
    history = rows_to_history(rows)
    assert history.rows.filter(pl.col("cash") > 0).height == 92
    assert audit_history(history).is_empty()
