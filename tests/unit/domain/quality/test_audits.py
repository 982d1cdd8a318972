"""Each audit names the rows that are wrong, and leaves what may be right alone."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_history import (
    DAYS,
    FAULTS,
    ROWS,
    SPLIT_ROW,
    SYMBOL,
    clean_rows,
    rows_between,
    scaled,
    without_step,
)
from tradegraph_dagster.domain.quality.audit_history import audit_history
from tradegraph_dagster.domain.quality.audits.adjusted_among_raw import fallen_fractions
from tradegraph_dagster.domain.quality.history import rows_to_history

CLEAN = clean_rows()


def found(rows: pl.DataFrame, audit: str, **options: str) -> pl.DataFrame:
    history = rows_to_history(rows, **options)  # type: ignore[arg-type]
    return audit_history(history).filter(pl.col("audit") == audit)


def spans(findings: pl.DataFrame) -> list[tuple]:
    return findings.select("symbol", "session", "last_session", "rows").rows()


def span(first: int, last: int) -> list[tuple]:
    return [(SYMBOL, DAYS[first].date(), DAYS[last].date(), last - first + 1)]


@given(
    first=st.integers(1, ROWS - 60),
    length=st.integers(1, 50),
    factor=st.sampled_from([100.0, 0.01]),
)
def test_a_block_in_another_unit_is_named_from_its_first_row_to_its_last(
    first: int, length: int, factor: float
) -> None:
    last = first + length - 1
    rows = scaled(CLEAN, first, last, factor)
    assert spans(found(rows, "unit_x100")) == span(first, last)


def test_a_single_price_in_another_unit_is_found() -> None:
    wrong = pl.when(rows_between(50, 50)).then(pl.col("low") / 100).otherwise("low")
    assert spans(found(CLEAN.with_columns(low=wrong), "unit_x100")) == span(50, 50)


def test_a_recorded_split_of_a_hundred_is_no_other_unit() -> None:
    split = pl.when(rows_between(200, 200)).then(0.01).otherwise("split_ratio")
    rows = scaled(CLEAN, 200, ROWS - 1, 100.0).with_columns(split_ratio=split)
    assert found(rows, "unit_x100").is_empty()


def test_a_factor_of_fifty_is_a_block_and_not_a_unit() -> None:
    rows = scaled(CLEAN, 60, 70, 50.0)
    assert found(rows, "unit_x100").is_empty()
    assert found(rows, "spliced_block")["session"].to_list() == [DAYS[60].date()]


@pytest.mark.parametrize(
    ("first", "last"), [(SPLIT_ROW, SPLIT_ROW), (SPLIT_ROW - 2, SPLIT_ROW - 2)]
)
def test_a_row_by_a_split_that_is_adjusted_twice_is_found(first: int, last: int) -> None:
    rows = scaled(clean_rows(split_adjusted=True), first, last, 0.5)
    sessions = found(rows, "bad_split", prices="split_adjusted")["session"].to_list()
    assert sessions == [DAYS[first].date(), DAYS[last + 1].date()]


def test_a_split_that_no_price_follows_is_found_once() -> None:
    rows = scaled(CLEAN, 0, SPLIT_ROW - 1, 0.5)
    assert found(rows, "bad_split")["session"].to_list() == [DAYS[SPLIT_ROW].date()]


def test_an_adjusted_close_that_moves_by_the_split_is_found() -> None:
    before = rows_between(0, SPLIT_ROW - 1)
    doubled = pl.when(before).then(pl.col("adjusted_close") * 2).otherwise("adjusted_close")
    rows = CLEAN.with_columns(adjusted_close=doubled)
    assert found(rows, "bad_split")["session"].to_list() == [DAYS[SPLIT_ROW].date()]


@pytest.mark.parametrize(
    ("times", "audit"),
    [
        (0.0, "dividend_not_applied"),
        (2.0, "dividend_counted_twice"),
        (0.01, "dividend_out_of_scale"),
    ],
)
def test_how_often_the_adjusted_close_takes_a_dividend_in(times: float, audit: str) -> None:
    history = rows_to_history(without_step(CLEAN, 100, times))
    everything = audit_history(history)
    assert everything.select("audit", "session").rows() == [(audit, DAYS[100].date())]


def test_the_step_may_come_a_row_after_the_dividend() -> None:
    """As in weekly bars, where the vendor dates the dividend at the start of the week."""
    factor = (pl.col("adjusted_close") / pl.col("close")).shift(1)
    late = pl.when(rows_between(100, 100)).then(pl.col("close") * factor)
    rows = CLEAN.with_columns(adjusted_close=late.otherwise("adjusted_close"))
    assert audit_history(rows_to_history(rows)).is_empty()


def test_capital_gains_counted_again_are_found_and_once_are_not() -> None:
    gains = pl.when(rows_between(100, 100)).then(0.9 * pl.col("cash")).otherwise(0.0)
    once = CLEAN.with_columns(capital_gains=gains)
    assert found(once, "dividend_counted_twice").is_empty()
    twice = without_step(once, 100, 1.9)
    sessions = found(twice, "dividend_counted_twice")["session"].to_list()
    assert sessions == [DAYS[100].date()]


def test_a_dividend_unlike_the_others_that_the_price_falls_by_a_hundredfold_of() -> None:
    """No adjusted close is needed where the name's other dividends and the price agree."""
    lower = pl.when(rows_between(100, ROWS - 1)).then(0.99).otherwise(1.0)
    wrong = pl.when(rows_between(100, 100)).then(0.014 * pl.col("cash")).otherwise("cash")
    prices = pl.col("open", "high", "low", "close")
    fallen = CLEAN.drop("adjusted_close").with_columns(prices * lower)
    found_in = found(fallen.with_columns(cash=wrong), "dividend_out_of_scale")
    assert found_in["session"].to_list() == [DAYS[100].date()]
    assert found(fallen, "dividend_out_of_scale").is_empty()


def test_a_large_dividend_that_the_price_falls_by_is_none_to_doubt() -> None:
    paid = pl.when(rows_between(30, 30)).then(10.0).otherwise("cash")
    before = rows_between(0, 29)
    prices = pl.col("open", "high", "low", "close")
    higher = pl.when(before).then(prices + 10.0).otherwise(prices)
    rows = CLEAN.drop("adjusted_close").with_columns(higher, cash=paid)
    assert audit_history(rows_to_history(rows)).is_empty()


def test_the_same_dividend_a_quarter_later_is_another_one() -> None:
    paid = pl.when(pl.col("cash") > 0).then(1.0).otherwise(0.0)
    assert found(CLEAN.with_columns(cash=paid), "repeated_dividend").is_empty()


def test_rows_that_contradict_each_other_are_said_to() -> None:
    other = CLEAN.filter(rows_between(30, 30)).with_columns(close=pl.col("close") + 0.01)
    one = found(pl.concat([CLEAN, other]), "duplicate_rows")
    assert one["found"].to_list() == ["2 rows in 2 versions"]


def test_a_run_of_equal_bars_is_one_finding() -> None:
    assert spans(found(FAULTS["stale_rows"](CLEAN), "stale_rows")) == span(20, 24)


def test_a_name_that_does_not_trade_is_not_stale() -> None:
    rows = FAULTS["stale_rows"](CLEAN)
    still = pl.when(rows_between(20, 24)).then(0.0).otherwise("volume")
    assert found(rows.with_columns(volume=still), "stale_rows").is_empty()


def test_adjusted_prices_fall_by_nothing_and_raw_ones_by_all() -> None:
    fractions = fallen_fractions(rows_to_history(FAULTS["adjusted_among_raw"](CLEAN)).closes)
    whole = dict(fractions.select("symbol", "fallen_frac").iter_rows())
    # Of the split the adjusted close knows everything, so that nothing is left to fall.
    assert abs(whole.pop(SYMBOL)) < 0.1
    assert min(whole.values()) > 0.9


def test_a_block_with_a_coming_dividend_taken_off_is_found_where_it_is_large() -> None:
    """A quarter of the price goes off five rows early and not on its day."""
    paid = pl.when(rows_between(60, 60)).then(12.0).otherwise("cash")
    early = pl.when(rows_between(0, 54)).then(12.0).otherwise(0.0)
    prices = pl.col("open", "high", "low", "close")
    rows = CLEAN.drop("adjusted_close").with_columns(prices + early, cash=paid)
    one = found(rows, "adjusted_among_raw")
    assert one.select("symbol", "session", "last_session", "rows").rows() == [
        (SYMBOL, DAYS[55].date(), DAYS[60].date(), 5)
    ]


def test_events_on_a_row_without_a_price_count_on_the_next() -> None:
    prices = pl.col("open", "high", "low", "close", "adjusted_close")
    halted = CLEAN.with_columns(pl.when(~rows_between(98, 103)).then(prices))
    closes = rows_to_history(halted).closes
    resumed = closes.filter(pl.col("symbol") == SYMBOL, pl.col("at") == DAYS[104])
    cash = CLEAN.filter(rows_between(100, 100))["cash"][0]
    assert resumed.select("cash", "days").row(0) == (cash, 7)
    assert audit_history(rows_to_history(halted)).is_empty()
