"""The suite finds what is wrong with a session as a whole; row faults are taken out by a gate."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.damaged_bars import (
    DAYS,
    SUSPENDED,
    SYMBOLS,
    clean_bars,
    damage,
    gate_input,
    random_damage,
)
from tests.support.plain_market import make_instruments
from tests.support.quality_lake import quality_workspace
from tradegraph_dagster.adapters.great_expectations.table_contract import (
    PREFIX,
    GreatExpectationsContract,
    build_data_docs,
)
from tradegraph_dagster.domain.core.errors import SchemaError
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.quality.profile import SESSION_PROFILES, profile_sessions
from tradegraph_dagster.domain.quality.schema import BAR_FINDINGS
from tradegraph_dagster.domain.quality.step import find_faults, load_gates, validate_sessions
from tradegraph_dagster.domain.quality.verdict import QualityPolicy, bars_to_findings

CONTRACT = GreatExpectationsContract()
DAY, NAME = DAYS[6], SYMBOLS[7]
BETWEEN = f"{PREFIX}expect_column_values_to_be_between:"


def profiles(bars: pl.DataFrame) -> pl.DataFrame:
    return profile_sessions(gate_input(bars))


def violations(bars: pl.DataFrame) -> list[tuple]:
    found = check_frame(CONTRACT.violations(profiles(bars)), BAR_FINDINGS)
    return found.select("session", "symbol", "gate", "severity").rows()


def test_clean_and_suspended_bars_keep_the_contract() -> None:
    assert violations(damage(clean_bars(), DAY, NAME, **SUSPENDED)) == []


ROW_FAULTS: list[tuple[str, dict[str, object]]] = [
    ("lowest_price", {"raw_close": 0.0}),
    ("highest_price", {"open": 2e7}),
    ("not_finite", {"close": float("inf")}),
    ("not_finite", {"volume": float("nan")}),
    ("traded_nulls", {"high": None}),
    ("traded_nulls", {"volume": None}),
    ("lowest_turnover", {"volume": -1.0}),
    ("lowest_turnover", {"amount": -1.0}),
    ("least_sessions_listed", {"sessions_listed": 0}),
    ("lowest_factor", {"price_factor": 0.0}),
    ("highest_factor", {"share_factor": 2e7}),
    ("high_below_low", {"raw_high": pl.col("raw_low") * 0.99}),
    ("high_below_low", {"high": pl.col("low") * 0.99}),
]


@pytest.mark.parametrize(("column", "change"), ROW_FAULTS)
def test_a_broken_row_shows_in_the_profile_and_a_gate_takes_it_out(
    column: str, change: dict[str, object]
) -> None:
    bars = damage(clean_bars(), DAY, NAME, **change)
    found = violations(bars)
    assert (DAY, "*", BETWEEN + column, "warn") in found
    assert {session for session, *_ in found} == {DAY}
    rows = bars_to_findings(gate_input(bars), load_gates()).filter(
        pl.col("session") == DAY,
        pl.col("symbol").is_in([NAME, "*"]),
        pl.col("severity").is_in(["quarantine", "block"]),
    )
    assert NAME in rows["symbol"].to_list()


def test_a_finding_says_what_was_expected_and_found() -> None:
    broken = damage(clean_bars(), DAY, NAME, volume=-1.0)
    row = CONTRACT.violations(profiles(broken)).row(0, named=True)
    assert (row["expected"], row["found"]) == (
        "lowest_turnover >= 0",
        "lowest_turnover -1.0, rows 30",
    )


def test_a_repeated_key_blocks() -> None:
    bars = clean_bars()
    twice = pl.concat([bars, bars.filter(pl.col("session") == DAY, pl.col("symbol") == NAME)])
    assert violations(twice) == [(DAY, "*", BETWEEN + "repeated_keys", "block")]


@pytest.mark.parametrize("column", ["amount", "price_factor", "is_st", "sessions_listed"])
def test_a_null_where_none_may_be_blocks(column: str) -> None:
    bars = clean_bars().with_columns(
        pl.when(pl.col("session") == DAY, pl.col("symbol") == NAME)
        .then(None)
        .otherwise(column)
        .alias(column)
    )
    assert violations(bars) == [(DAY, "*", BETWEEN + "required_nulls", "block")]


def test_a_session_without_bars_blocks() -> None:
    bars = clean_bars().filter(pl.col("session") != DAY)
    assert (DAY, "*", BETWEEN + "rows", "block") in violations(bars)


def test_bars_and_instruments_that_do_not_match_are_warned_of() -> None:
    bars = clean_bars().filter((pl.col("session") != DAY) | (pl.col("symbol") != NAME))
    assert violations(bars) == [(DAY, "*", BETWEEN + "listed_without_bar", "warn")]
    listed = make_instruments(clean_bars()).filter(pl.col("symbol") != NAME)
    unlisted = profile_sessions(gate_input(clean_bars(), instruments=listed))
    assert unlisted["bars_not_listed"].to_list() == [1] * len(DAYS)


def test_a_market_that_stands_still_is_warned_of() -> None:
    halted = damage(clean_bars(), DAY, SYMBOLS[:20], **SUSPENDED)
    assert violations(halted) == [(DAY, "*", BETWEEN + "suspended_frac", "warn")]


def test_only_profiles_are_judged() -> None:
    with pytest.raises(SchemaError, match="session_profiles"):
        CONTRACT.violations(clean_bars())


def test_no_rows_no_findings() -> None:
    assert CONTRACT.violations(SESSION_PROFILES.empty()).is_empty()


def test_one_session_alone_equals_the_range() -> None:
    whole = profiles(random_damage(21, faults=30))
    together = CONTRACT.violations(whole)
    assert together.height > 10
    for session in DAYS[2:10:5]:
        is_session = pl.col("session") == session
        alone = CONTRACT.violations(whole.filter(is_session))
        assert alone.equals(together.filter(is_session))


def test_a_profile_of_one_session_equals_the_range() -> None:
    bars = random_damage(22, faults=30)
    whole = profiles(bars)
    for session in DAYS:
        alone = profile_sessions(gate_input(bars, sessions=[session]))
        assert alone.equals(whole.filter(pl.col("session") == session))


def test_the_step_takes_the_contract_beside_the_gates() -> None:
    ws = quality_workspace(damage(clean_bars(), DAY, NAME, sessions_listed=0))
    find_faults(ws, CONTRACT, DAYS)
    found = ws.store.read(BAR_FINDINGS, DAYS)
    assert BETWEEN + "least_sessions_listed" in found["gate"].to_list()
    report = validate_sessions(ws, DAYS, QualityPolicy())
    facts = {one.partition: one.facts["quarantined"] for one in report.written}
    assert facts == {day: int(day == DAY) for day in DAYS}


def test_the_report_is_written_as_pages(tmp_path: Path) -> None:
    page = build_data_docs(profiles(clean_bars()), tmp_path / "docs")
    assert page.is_file()
    assert list((tmp_path / "docs" / "validations").rglob("*.html"))


def test_a_span_that_reads_like_an_offset_of_time_has_its_page(tmp_path: Path) -> None:
    """A run's name is tried as a date: two dates in a row were taken for one with an offset."""
    span = [date(2012, 12, 3), date(2013, 2, 28)]
    two = profiles(clean_bars()).head(2).with_columns(session=pl.Series(span))
    page = build_data_docs(two, tmp_path / "docs")
    assert "2012-12-03_to_2013-02-28" in str(page)
