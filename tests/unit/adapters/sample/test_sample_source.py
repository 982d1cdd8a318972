"""What is in the sample package, and what can be recovered from it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tradegraph_dagster.adapters.sample.actions import SampleActions, recover_events
from tradegraph_dagster.adapters.sample.bars import SampleBars
from tradegraph_dagster.adapters.sample.options import SampleOptions
from tradegraph_dagster.adapters.sample.table import read_table
from tradegraph_dagster.domain.core.errors import SourceRefused
from tradegraph_dagster.domain.markets.catalogue import load_market

US = load_market("us")
EVERY_SESSION = US.calendar.between(date(2000, 3, 1), date(2013, 3, 1))
BARS = SampleBars(US, SampleOptions())
EVENTS = recover_events(read_table())


def events_of(symbol: str) -> pl.DataFrame:
    return EVENTS.filter(pl.col("symbol") == symbol)


def test_every_session_of_new_york_has_bars() -> None:
    rows = BARS.bars(EVERY_SESSION)
    counts = rows.group_by("session").len()
    assert counts.height == len(EVERY_SESSION) == 3_270
    assert counts["len"].min() == 3
    assert rows["symbol"].unique().sort().to_list() == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (date(2000, 3, 1), ["AAPL", "IBM", "MSFT"]),
        (date(2004, 8, 19), ["AAPL", "GOOG", "IBM", "MSFT"]),
        (date(2012, 5, 18), ["AAPL", "FB", "GOOG", "IBM", "MSFT"]),
    ],
)
def test_names_are_listed_from_their_first_bar(session: date, expected: list[str]) -> None:
    rows = BARS.instruments([session])
    assert rows["symbol"].to_list() == expected


def test_a_bar_as_the_package_has_it() -> None:
    bar = BARS.bars([date(2004, 11, 15)]).filter(pl.col("symbol") == "MSFT").row(0, named=True)
    assert [bar[name] for name in ("open", "high", "low", "close")] == [27.35, 27.5, 27.2, 27.39]
    assert bar["volume"] == 104_468_000
    assert bar["amount"] == 104_468_000 * (27.35 + 27.5 + 27.2 + 27.39) / 4
    assert bar["known_at"] == datetime(2004, 11, 15, 21, 30, tzinfo=UTC)


def test_the_splits_are_the_known_ones() -> None:
    splits = EVENTS.filter(pl.col("split_ratio") != 1)
    assert splits.select("symbol", "session", "split_ratio", "cash_per_share").rows() == [
        ("AAPL", date(2000, 6, 21), 2.0, 0.0),
        ("AAPL", date(2005, 2, 28), 2.0, 0.0),
        ("MSFT", date(2003, 2, 18), 2.0, 0.0),
    ]


def test_apple_paid_three_dividends() -> None:
    dividends = events_of("AAPL").filter(pl.col("cash_per_share") > 0)
    assert dividends.select("session", "cash_per_share").rows() == [
        (date(2012, 8, 9), 2.65),
        (date(2012, 11, 7), 2.65),
        (date(2013, 2, 7), 2.65),
    ]


def test_microsoft_paid_what_it_announced() -> None:
    dividends = events_of("MSFT").filter(pl.col("cash_per_share") > 0)
    paid = dict(dividends.select("session", "cash_per_share").rows())
    assert len(paid) == 37
    assert paid[date(2003, 2, 19)] == 0.08
    assert paid[date(2003, 10, 15)] == 0.16
    # A special dividend of 3.00 and the quarter's 0.08 had one ex-date.
    assert paid[date(2004, 11, 15)] == 3.08
    assert paid[date(2013, 2, 19)] == 0.23
    assert {cash for day, cash in paid.items() if day.year == 2005} == {0.08}
    assert {cash for day, cash in paid.items() if day.year == 2010} == {0.13, 0.16}


def test_every_dividend_is_a_whole_number_of_cents_or_close_to_one() -> None:
    cash = EVENTS.filter(pl.col("cash_per_share") > 0)["cash_per_share"]
    assert ((cash * 1000 - (cash * 1000).round()).abs() < 1e-6).all()


def test_google_and_facebook_had_no_events() -> None:
    assert events_of("GOOG").is_empty()
    assert events_of("FB").is_empty()


def test_ibm_paid_every_quarter() -> None:
    ibm = events_of("IBM")
    assert ibm.height == 52
    assert ibm["cash_per_share"][0] == 0.13
    assert ibm["cash_per_share"][-1] == 0.85


def test_an_event_is_known_half_a_day_before_its_open() -> None:
    rows = SampleActions(US, SampleOptions()).corporate_actions([date(2000, 6, 21)])
    assert rows["known_at"].to_list() == [datetime(2000, 6, 21, 1, 30, tzinfo=UTC)]


@pytest.mark.parametrize("day", [date(2000, 2, 29), date(2013, 3, 4), date(2001, 9, 12)])
def test_a_session_outside_the_data_is_refused(day: date) -> None:
    with pytest.raises(SourceRefused, match=f"session={day}"):
        BARS.bars([day])
