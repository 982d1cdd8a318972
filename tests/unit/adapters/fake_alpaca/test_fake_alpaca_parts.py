"""Parts of the local Alpaca that need no server: amounts, instants, hours, pace, fault rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.adapters.fake_alpaca.fault_rules import FaultRule, edited, take_rule
from tradegraph_dagster.adapters.fake_alpaca.hours import day_of, next_session, phase_at, turns
from tradegraph_dagster.adapters.fake_alpaca.pace import Pace
from tradegraph_dagster.adapters.fake_alpaca.wire import (
    SECOND,
    Request,
    amount_text,
    instant_text,
    new_york_text,
    read_amount,
    read_instant,
    to_datetime,
    to_ns,
)

HALF_DAY = date(2026, 11, 27)


def _at(text: str) -> int:
    return to_ns(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("amount", "text"),
    [("150.10", "150.1"), ("100", "100"), ("0.00", "0"), ("-0", "0"), ("1E+3", "1000")],
)
def test_amounts_have_no_exponent_and_no_trailing_zeros(amount: str, text: str) -> None:
    assert amount_text(Decimal(amount)) == text


@pytest.mark.parametrize("value", [True, None, "", "x", "NaN", "Infinity", [1], {}])
def test_what_is_no_finite_number_is_no_amount(value: object) -> None:
    assert read_amount(value) is None


@given(st.integers(min_value=0, max_value=4_000_000_000 * SECOND))
def test_an_instant_is_read_back_to_the_microsecond(ns: int) -> None:
    text = instant_text(ns)
    assert text is not None
    read = read_instant(text)
    assert read is not None
    assert ns - 1_000 < read <= ns
    assert to_ns(to_datetime(read)) == read


def test_an_instant_has_nine_decimals_in_new_york_and_none_to_spare_in_utc() -> None:
    ns = _at("2026-11-20T15:00:00+00:00") + 120
    assert instant_text(ns) == "2026-11-20T15:00:00.00000012Z"
    assert new_york_text(ns) == "2026-11-20T10:00:00.000000120-05:00"


@pytest.mark.parametrize(
    ("at", "phase"),
    [
        ("2026-11-27T08:59:59+00:00", "closed"),
        ("2026-11-27T09:00:00+00:00", "pre"),
        ("2026-11-27T14:30:00+00:00", "regular"),
        ("2026-11-27T17:59:59+00:00", "regular"),
        ("2026-11-27T18:00:00+00:00", "post"),
        ("2026-11-27T22:00:00+00:00", "closed"),
        ("2026-11-26T16:00:00+00:00", "closed"),
        ("2026-11-28T16:00:00+00:00", "closed"),
    ],
)
def test_a_half_day_has_shorter_phases_and_a_holiday_none(at: str, phase: str) -> None:
    assert phase_at(_at(at)) == phase


def test_turns_come_in_order_and_once() -> None:
    first, last = _at("2026-11-25T12:00:00+00:00"), _at("2026-11-28T00:00:00+00:00")
    found = [(turn, session) for _, turn, session in turns(first, last)]
    before = date(2026, 11, 25)
    names = ("open", "close", "evening")
    assert found == [(name, day) for day in (before, HALF_DAY) for name in names]
    middle = day_of(HALF_DAY).opens
    halves = [*turns(first, middle), *turns(middle, last)]
    assert halves == list(turns(first, last))
    assert list(turns(last, first)) == []


def test_the_next_session_is_that_of_the_next_close() -> None:
    closes = day_of(HALF_DAY).closes
    assert next_session(closes - 1) == HALF_DAY
    assert next_session(closes) == date(2026, 11, 30)


@given(st.lists(st.integers(min_value=0, max_value=2_000), max_size=400))
def test_no_minute_has_more_than_two_full_buckets(waits_ms: list[int]) -> None:
    pace, now = Pace(), to_ns(datetime(2026, 11, 20, tzinfo=UTC))
    allowed = []
    for wait in waits_ms:
        now += wait * 1_000_000
        if pace.take(now, 20)[0]:
            allowed.append(now)
    for start in allowed:
        assert sum(start <= at < start + 60 * SECOND for at in allowed) <= 40


def test_waiting_until_the_reset_fills_the_bucket() -> None:
    pace, now = Pace(), to_ns(datetime(2026, 11, 20, tzinfo=UTC))
    spent = [pace.take(now, 5) for _ in range(6)]
    assert [is_allowed for is_allowed, _ in spent] == [True] * 5 + [False]
    reset = int(spent[-1][1]["X-RateLimit-Reset"]) * SECOND
    assert [pace.take(reset, 5)[0] for _ in range(6)] == [True] * 5 + [False]


def test_each_rule_counts_every_call_and_the_first_one_wins() -> None:
    request = Request("GET", "/v2/positions/AAPL", {}, {}, b"")
    rules = [FaultRule(path="/v2/positions*", nth=2), FaultRule(method="GET", times=2, drop=True)]
    hits = [take_rule(rules, request) for _ in range(3)]
    assert [None if hit is None else hit.drop for hit in hits] == [True, False, None]
    assert rules == []


def test_a_rule_is_for_its_method_and_path_only() -> None:
    rules = [FaultRule(method="POST", path="/v2/orders")]
    for method, path in (("GET", "/v2/orders"), ("POST", "/v2/orders/1")):
        assert take_rule(rules, Request(method, path, {}, {}, b"")) is None
    assert take_rule(rules, Request("POST", "/v2/orders", {}, {}, b"")) is not None


def test_fields_are_edited_inside_and_in_every_row() -> None:
    rows = [{"a": 1, "b": {"c": 2}}, {"a": 3}, 4]
    assert edited(rows, {"a": None, "b.c": 5}) == [
        {"a": None, "b": {"c": 5}},
        {"a": None, "b": {"c": 5}},
        4,
    ]
