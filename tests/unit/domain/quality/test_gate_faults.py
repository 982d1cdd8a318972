"""Each seeded fault is found by the gate meant for it, where it was put, with its severity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from tests.support.damaged_bars import (
    DAYS,
    SUSPENDED,
    SYMBOLS,
    all_prices,
    clean_bars,
    damage,
    gate_input,
    repeated,
    scaled,
)
from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, make_instruments
from tradegraph_dagster.domain.core.findings import WHOLE_SESSION
from tradegraph_dagster.domain.quality.step import load_gates
from tradegraph_dagster.domain.quality.verdict import bars_to_findings

DAY, NAME = DAYS[6], SYMBOLS[7]
NAN, INFINITE = float("nan"), float("inf")
UNLIMITED = PlainMarket(limit_percent=None)
Found = set[tuple[str, str, str]]


def findings(bars: pl.DataFrame, **changed: object) -> Found:
    found = bars_to_findings(gate_input(bars, **changed), load_gates())
    assert set(found["session"]) <= {DAY}
    return set(found.select("symbol", "gate", "severity").iter_rows())


def one_row(**values: object) -> Callable[[], pl.DataFrame]:
    return lambda: damage(clean_bars(), DAY, NAME, **values)


def whole_file(**values: object) -> Callable[[], pl.DataFrame]:
    return lambda: damage(clean_bars(), DAY, SYMBOLS, **values)


def without(count: int) -> Callable[[], pl.DataFrame]:
    gone = (pl.col("session") == DAY) & pl.col("symbol").is_in(SYMBOLS[:count])
    return lambda: clean_bars().filter(~gone)


ROW = {
    "high below low": (one_row(raw_high=pl.col("raw_low") * 0.99), "ohlc_order", "block"),
    "high below close": (one_row(raw_high=pl.col("raw_close") * 0.999), "ohlc_order", "block"),
    "low above open": (one_row(raw_low=pl.col("raw_open") * 1.001), "ohlc_order", "block"),
    "negative price": (one_row(raw_low=-1.0), "positive_prices", "block"),
    "zero price with volume": (one_row(raw_open=0.0), "positive_prices", "block"),
    "negative zero": (one_row(raw_open=-0.0), "positive_prices", "block"),
    "nan price": (one_row(raw_close=NAN), "positive_prices", "block"),
    "infinite price": (one_row(raw_high=INFINITE), "positive_prices", "block"),
    "null price of a traded bar": (one_row(raw_close=None), "positive_prices", "block"),
    "adjusted price lost": (one_row(close=NAN), "positive_prices", "block"),
    "factor of zero": (one_row(price_factor=0.0), "positive_prices", "block"),
    "negative reference": (one_row(reference_close=-0.5), "positive_prices", "block"),
    "negative volume": (one_row(volume=-100.0), "nonnegative_turnover", "block"),
    "nan amount": (one_row(amount=NAN), "nonnegative_turnover", "block"),
    "missing volume": (one_row(volume=None), "nonnegative_turnover", "block"),
    "suspended with turnover": (
        one_row(**{**SUSPENDED, "amount": 5.0}),
        "nonnegative_turnover",
        "block",
    ),
    "above the limit": (one_row(**all_prices(1.2)), "price_limits", "quarantine"),
    "below the limit": (one_row(**all_prices(0.8)), "price_limits", "quarantine"),
    "unadjusted split": (one_row(**all_prices(0.5)), "price_limits", "quarantine"),
    "prices x 100": (one_row(**all_prices(100)), "price_limits", "quarantine"),
    "volume in lots": (one_row(**scaled(0.01, "volume")), "vwap_in_range", "quarantine"),
    "volume x 100": (one_row(**scaled(100, "volume")), "vwap_in_range", "quarantine"),
    "amount in ten thousands": (one_row(**scaled(1e-4, "amount")), "vwap_in_range", "quarantine"),
    "amount without volume": (one_row(volume=0.0), "vwap_in_range", "quarantine"),
    "volume without amount": (one_row(amount=0.0), "vwap_in_range", "quarantine"),
}

SESSION = {
    "no rows": (without(30), "coverage"),
    "one of thirty missing": (without(1), "coverage"),
    "nothing traded": (whole_file(**SUSPENDED), "coverage"),
    "volume in lots": (whole_file(**scaled(0.01, "volume")), "vwap_in_range"),
    "amount in thousands": (whole_file(**scaled(1e-3, "amount")), "vwap_in_range"),
    "yesterday's file": (lambda: repeated(clean_bars(), DAY, DAYS[5], SYMBOLS), "stale_bar"),
    "a quarter of yesterday's file": (
        lambda: repeated(clean_bars(), DAY, DAYS[5], SYMBOLS[:8]),
        "stale_bar",
    ),
}


@pytest.mark.parametrize("fault", ROW)
def test_a_faulty_row_is_found_where_it_is(fault: str) -> None:
    bars, gate, severity = ROW[fault]
    found = findings(bars())
    assert (NAME, gate, severity) in found
    assert {symbol for symbol, _, _ in found} <= {NAME, WHOLE_SESSION}


@pytest.mark.parametrize("fault", SESSION)
def test_a_faulty_file_blocks_its_session(fault: str) -> None:
    bars, gate = SESSION[fault]
    assert (WHOLE_SESSION, gate, "block") in findings(bars())


@pytest.mark.parametrize(("rows", "blocks"), [(1, False), (2, False), (3, True)])
def test_a_few_wrong_units_are_rows_and_more_are_the_file(rows: int, blocks: bool) -> None:
    bars = damage(clean_bars(), DAY, SYMBOLS[:rows], **scaled(0.01, "volume"))
    assert ((WHOLE_SESSION, "vwap_in_range", "block") in findings(bars)) is blocks


@pytest.mark.parametrize("fault", ["unadjusted split", "prices x 100"])
def test_without_limits_a_jump_is_found(fault: str) -> None:
    found = findings(ROW[fault][0](), market=UNLIMITED)
    assert (NAME, "unexplained_jump", "quarantine") in found
    assert {symbol for symbol, _, _ in found} == {NAME}


def test_an_explained_split_is_no_jump() -> None:
    halved = damage(clean_bars(), DAY, NAME, **all_prices(0.5), **scaled(0.5, "reference_close"))
    assert findings(halved, market=UNLIMITED) == set()


def test_a_new_listing_may_jump() -> None:
    bars = damage(clean_bars(), DAY, NAME, **all_prices(2), sessions_listed=5)
    assert findings(bars, market=UNLIMITED) == set()


def test_a_missing_name_of_many_is_a_warning() -> None:
    symbols = [f"{600_000 + number}.SH" for number in range(60)]
    whole = make_adjusted_bars(DAYS[6:7], symbols)
    bars = whole.filter(pl.col("symbol") != symbols[0])
    found = findings(bars, sessions=[DAY], instruments=make_instruments(whole))
    assert found == {(symbols[0], "coverage", "warn")}


def test_one_repeated_bar_is_a_warning() -> None:
    assert findings(repeated(clean_bars(), DAY, DAYS[5], [NAME])) == {(NAME, "stale_bar", "warn")}


def test_a_suspended_bar_is_clean() -> None:
    assert findings(damage(clean_bars(), DAY, NAME, **SUSPENDED)) == set()


def test_a_bar_of_no_instrument_is_quarantined() -> None:
    instruments = make_instruments(clean_bars())
    is_gone = (pl.col("session") == DAY) & (pl.col("symbol") == NAME)
    found = findings(clean_bars(), instruments=instruments.filter(~is_gone))
    assert found == {(NAME, "listed_instrument", "quarantine")}


def test_a_bar_before_its_listing_is_quarantined() -> None:
    instruments = make_instruments(clean_bars()).with_columns(
        listed_on=pl.when(pl.col("session") == DAY, pl.col("symbol") == NAME)
        .then(DAY + timedelta(days=1))
        .otherwise("listed_on")
    )
    found = findings(clean_bars(), instruments=instruments)
    assert found == {(NAME, "listed_instrument", "quarantine")}


def test_a_closed_day_blocks() -> None:
    saturday = DAYS[4] + timedelta(days=1)
    bars = make_adjusted_bars([saturday], SYMBOLS)
    found = bars_to_findings(
        gate_input(bars, sessions=[saturday], instruments=make_instruments(bars)), load_gates()
    )
    assert found.select("symbol", "gate", "severity", "found").rows() == [
        (WHOLE_SESSION, "calendar_session", "block", "a closed day, Saturday")
    ]


def test_the_finding_says_what_it_expected_and_found() -> None:
    bars = damage(clean_bars(), DAY, NAME, raw_high=9.0, raw_low=9.5, raw_open=9.2, raw_close=9.1)
    found = bars_to_findings(gate_input(bars), load_gates())
    row = found.filter(pl.col("gate") == "ohlc_order").row(0, named=True)
    assert row["expected"] == "low <= open, close <= high"
    assert row["found"] == "raw_open 9.2, raw_high 9.0, raw_low 9.5, raw_close 9.1"
