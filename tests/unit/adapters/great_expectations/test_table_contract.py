"""The suite finds what breaks the table, and names the row."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.support.damaged_bars import DAYS, SUSPENDED, SYMBOLS, clean_bars, damage, random_damage
from tests.support.quality_lake import quality_workspace
from tradegraph_dagster.adapters.great_expectations.table_contract import (
    PREFIX,
    GreatExpectationsContract,
    build_data_docs,
)
from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS
from tradegraph_dagster.domain.quality.step import find_faults, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy

CONTRACT = GreatExpectationsContract()
DAY, NAME = DAYS[6], SYMBOLS[7]
BETWEEN = f"{PREFIX}expect_column_values_to_be_between"
KNOWN = f"{PREFIX}expect_column_values_to_not_be_null"


def violations(bars: pl.DataFrame) -> list[tuple]:
    found = check_frame(CONTRACT.violations(bars), BAR_FINDINGS)
    return found.select("session", "symbol", "gate", "severity").rows()


def test_clean_and_suspended_bars_keep_the_contract() -> None:
    assert violations(damage(clean_bars(), DAY, NAME, **SUSPENDED)) == []


ROW_FAULTS: list[tuple[str, dict[str, object]]] = [
    (f"{BETWEEN}:raw_close", {"raw_close": 0.0}),
    (f"{BETWEEN}:open", {"open": 2e7}),
    (f"{BETWEEN}:close", {"close": float("inf")}),
    (f"{KNOWN}:high", {"high": None}),
    (f"{KNOWN}:volume", {"volume": float("nan")}),
    (f"{BETWEEN}:volume", {"volume": -1.0}),
    (f"{BETWEEN}:amount", {"amount": -1.0}),
    (f"{BETWEEN}:sessions_listed", {"sessions_listed": 0}),
    (f"{BETWEEN}:price_factor", {"price_factor": 0.0}),
    (
        f"{PREFIX}expect_column_pair_values_a_to_be_greater_than_b:raw_high+raw_low",
        {"raw_high": pl.col("raw_low") * 0.99},
    ),
]


def test_each_broken_row_is_quarantined_by_its_expectation() -> None:
    bars = clean_bars()
    for symbol, (_, change) in zip(SYMBOLS, ROW_FAULTS, strict=False):
        bars = damage(bars, DAY, symbol, **change)
    assert violations(bars) == [
        (DAY, symbol, gate, "quarantine")
        for symbol, (gate, _) in zip(SYMBOLS, ROW_FAULTS, strict=False)
    ]


def test_a_finding_says_what_was_expected_and_found() -> None:
    row = CONTRACT.violations(damage(clean_bars(), DAY, NAME, volume=-1.0)).row(0, named=True)
    assert (row["expected"], row["found"]) == ("volume >= 0", "volume -1.0")


def test_a_repeated_key_blocks() -> None:
    bars = clean_bars()
    twice = pl.concat([bars, bars.filter(pl.col("session") == DAY, pl.col("symbol") == NAME)])
    gate = f"{PREFIX}expect_compound_columns_to_be_unique:session+symbol"
    assert violations(twice) == [(DAY, NAME, gate, "block")]


def test_a_row_without_symbol_blocks_its_session() -> None:
    bars = clean_bars().with_columns(
        symbol=pl.when(pl.col("session") == DAY, pl.col("symbol") == NAME)
        .then(None)
        .otherwise("symbol")
    )
    assert violations(bars) == [(DAY, "*", f"{KNOWN}:symbol", "block")]


@pytest.mark.parametrize(
    "bars", [clean_bars().drop("vwap"), clean_bars().with_columns(extra=pl.lit(1))]
)
def test_other_columns_block_every_session(bars: pl.DataFrame) -> None:
    gate = f"{PREFIX}expect_table_columns_to_match_set"
    assert violations(bars) == [(day, "*", gate, "block") for day in DAYS]


def test_a_row_without_session_cannot_be_held_to_account() -> None:
    with pytest.raises(SchemaError, match="expected a session in every row"):
        CONTRACT.violations(clean_bars().with_columns(session=pl.lit(None, pl.Date)))


def test_no_rows_no_findings() -> None:
    assert violations(clean_bars().clear()) == []


def test_one_session_alone_equals_the_range() -> None:
    bars = random_damage(21, faults=30)
    together = CONTRACT.violations(bars)
    assert together.height > 10
    for session in DAYS[2:10:5]:
        is_session = pl.col("session") == session
        assert CONTRACT.violations(bars.filter(is_session)).equals(together.filter(is_session))


def test_the_step_takes_the_contract_beside_the_gates() -> None:
    ws = quality_workspace(damage(clean_bars(), DAY, NAME, sessions_listed=0))
    find_faults(ws, CONTRACT, DAYS)
    report = validate_sessions(ws, DAYS, QualityPolicy())
    facts = {one.partition: one.facts["quarantined"] for one in report.written}
    assert facts == {day: int(day == DAY) for day in DAYS}


def test_the_report_is_written_as_pages(tmp_path: Path) -> None:
    page = build_data_docs(clean_bars(), tmp_path / "docs")
    assert page.is_file()
    assert list((tmp_path / "docs" / "validations").rglob("*.html"))
