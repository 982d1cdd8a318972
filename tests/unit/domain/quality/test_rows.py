"""What the gates' rows are cut and matched by: places in the calendar and whole numbers."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plain_market import PlainMarket
from tradegraph_dagster.domain.quality.matching import (
    match_listings,
    session_symbol_keys,
    without_rows,
)
from tradegraph_dagster.domain.quality.rows import WIDEST_WINDOW, histories

CALENDAR = PlainMarket().calendar
SUNDAY = date(2024, 1, 7)

KEYS = st.lists(
    st.tuples(st.sampled_from(CALENDAR.sessions[:9]), st.sampled_from(["", "A", "AB", "B", "é"])),
    unique=True,
)


def keyed(keys: list[tuple[date, str]]) -> pl.DataFrame:
    return pl.DataFrame(keys, schema={"session": pl.Date, "symbol": pl.String}, orient="row")


@given(left=KEYS, right=KEYS)
def test_keys_are_equal_and_in_order_where_session_and_symbol_are(
    left: list[tuple[date, str]], right: list[tuple[date, str]]
) -> None:
    numbers = [key.to_list() for key in session_symbol_keys(keyed(left), keyed(right))]
    both = list(zip(left + right, numbers[0] + numbers[1], strict=True))
    assert sorted(set(both)) == sorted(set(both), key=lambda pair: pair[1])
    assert len({number for _, number in both}) == len({*left, *right})


@given(bars=KEYS, listed=KEYS)
def test_matching_equals_looking_each_row_up(
    bars: list[tuple[date, str]], listed: list[tuple[date, str]]
) -> None:
    instruments = keyed(listed).with_columns(listed_on=pl.col("session"))
    matched, missing = match_listings(keyed(bars), instruments)
    assert matched.select("session", "symbol").rows() == bars
    assert matched["listed_on"].to_list() == [key[0] if key in listed else None for key in bars]
    assert missing.select("session", "symbol").rows() == [key for key in listed if key not in bars]
    kept = [key for key in bars if key not in listed]
    assert without_rows(keyed(bars), instruments).rows() == kept


def test_histories_put_what_came_before_above_in_whatever_order_rows_come() -> None:
    days = CALENDAR.sessions
    rows = keyed([(days[2], "B"), (days[0], "A"), (days[3], "A"), (days[1], "B"), (days[1], "A")])
    told = histories(rows, CALENDAR)
    assert told.select("symbol", "number", "is_next").rows() == [
        ("A", 0, False),
        ("A", 1, True),
        ("A", 3, False),
        ("B", 1, False),
        ("B", 2, True),
    ]


def test_no_window_reaches_from_one_history_into_the_next() -> None:
    last, first = CALENDAR.sessions[-1], CALENDAR.sessions[0]
    places = histories(keyed([(last, "A"), (first, "B")]), CALENDAR)["place"].to_list()
    assert places[1] - places[0] > WIDEST_WINDOW


def test_a_closed_day_has_no_place_in_a_history() -> None:
    friday = max(day for day in CALENDAR.sessions if day < SUNDAY)
    assert histories(keyed([(friday, "A"), (SUNDAY, "A")]), CALENDAR).height == 1
