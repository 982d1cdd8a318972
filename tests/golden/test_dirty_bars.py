"""Real bars with repeated rows, holes and a fortnight of adjusted prices among unadjusted ones.

`cn/raw_dirty_2019_2023` against `cn/raw_baostock_2020_2025`. Counted with other code than ours:
1,359 rows on 20 days are exact copies, 1,103 of them on 16 days of the years that both have; 63
rows of 13 names from 2021-07-27 to 2021-08-11 have a coming dividend taken off, 0.06 % to 5 % of
the price.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.dirty_source import differing_rows, dirty_options, disputes, table_options
from tradegraph_dagster.adapters.files.bars import FilesBars
from tradegraph_dagster.adapters.files.history import read_history
from tradegraph_dagster.domain.market_data.intake import DUPLICATE_ROW, Intake, drop_repeats
from tradegraph_dagster.domain.markets.catalogue import load_market
from tradegraph_dagster.domain.quality.audit_history import audit_history

CN = load_market("cn")
SESSIONS = CN.calendar.between(date(2020, 1, 2), date(2023, 4, 3))
WRONG_FIRST, WRONG_LAST = date(2021, 7, 27), date(2021, 8, 11)


@pytest.fixture
def clean(shared_data: Path) -> pl.DataFrame:
    return FilesBars(CN, table_options(shared_data, "baostock_table")).bars(SESSIONS)


@pytest.fixture
def intake(shared_data: Path, tmp_path: Path) -> Intake:
    return drop_repeats(FilesBars(CN, dirty_options(shared_data, tmp_path)).bars(SESSIONS))


def test_every_repeated_row_is_dropped_at_intake_and_found(intake: Intake) -> None:
    found = intake.findings.filter(pl.col("gate") == DUPLICATE_ROW)
    assert (found.height, found["session"].n_unique()) == (1103, 16)
    assert intake.findings.height == found.height
    assert not intake.rows.select("session", "symbol").is_duplicated().any()


def test_the_audit_finds_every_repeated_row(shared_data: Path, tmp_path: Path) -> None:
    found = audit_history(next(read_history(CN, dirty_options(shared_data, tmp_path))))
    repeated = found.filter(pl.col("audit") == "duplicate_rows")
    assert (repeated["rows"] - 1).sum() == 1359
    assert repeated["session"].n_unique() == 20
    assert set(repeated["found"]) == {"2 rows in 1 versions"}


def test_one_source_alone_does_not_show_small_dividends_taken_off(
    shared_data: Path, tmp_path: Path
) -> None:
    """They are below four usual moves; and nothing that is right is called wrong instead."""
    found = audit_history(next(read_history(CN, dirty_options(shared_data, tmp_path))))
    assert not found.filter(pl.col("audit") == "adjusted_among_raw").height
    assert set(found["audit"]) == {"duplicate_rows", "bad_split", "ohlc_order"}


def test_a_second_source_shows_every_wrong_price_and_no_other(
    intake: Intake, clean: pl.DataFrame
) -> None:
    wrong = differing_rows(intake.rows, clean)
    assert (len(wrong), len({symbol for _, symbol in wrong})) == (63, 13)
    assert {min(wrong)[0], max(wrong)[0]} == {WRONG_FIRST, WRONG_LAST}

    taken_out = disputes(intake.rows, clean)
    disputed = {
        (one["session"], one["symbol"]) for one in taken_out if not one["found"].endswith("no bar")
    }
    assert disputed == wrong
    # The rest are bars the dirty source does not have at all.
    holes = {(one["session"], one["symbol"]) for one in taken_out} - disputed
    both = pl.col("symbol").is_in(intake.rows["symbol"].unique().implode())
    traded = clean.filter(~pl.col("is_suspended"), both)
    absent = traded.join(intake.rows, on=["session", "symbol"], how="anti")
    assert holes == set(absent.select("session", "symbol").rows())
