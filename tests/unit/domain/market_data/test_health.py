"""What is remembered of a source, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradegraph_dagster.domain.market_data.health import (
    Breaker,
    DataKind,
    RoutingPolicy,
    SourceHealth,
    after_answer,
    after_comparison,
    after_failure,
    after_refusal,
    breaker,
    route,
    score,
)

START = datetime(2024, 1, 2, 8, tzinfo=UTC)
POLICY = RoutingPolicy()
NEW = SourceHealth("a", DataKind.BARS)
MINUTE = timedelta(minutes=1)

acts = st.lists(
    st.tuples(
        st.sampled_from(["answer", "failure", "refusal", "comparison"]),
        st.floats(0, 1),
        st.integers(0, 100_000),
    ),
    max_size=30,
)


def act(health: SourceHealth, name: str, value: float, at: datetime) -> SourceHealth:
    if name == "answer":
        return after_answer(health, at=at, seconds=value, completeness=value, policy=POLICY)
    if name == "failure":
        return after_failure(health, at=at, seconds=value, error="down", policy=POLICY)
    if name == "refusal":
        return after_refusal(health, at=at, error="no", policy=POLICY)
    return after_comparison(health, at=at, agreement=value, policy=POLICY)


def failed(times: int, health: SourceHealth = NEW, at: datetime = START) -> SourceHealth:
    for _ in range(times):
        health = after_failure(health, at=at, seconds=1.0, error="down", policy=POLICY)
    return health


@given(acts)
def test_whatever_happens_the_numbers_stay_in_their_range(happened: list) -> None:
    health, now = NEW, START
    for name, value, seconds in happened:
        now += timedelta(seconds=seconds)
        health = act(health, name, value, now)
        for number in (health.success, health.completeness, health.agreement):
            assert 0.0 <= number <= 1.0 + 1e-12
        assert 0.0 <= score(health, now, POLICY) <= 1.0 + 1e-12
        assert health.latency_seconds >= 0.0


@given(acts)
def test_an_answer_always_closes_the_breaker_and_a_failure_never_helps(happened: list) -> None:
    health, now = NEW, START
    for name, value, seconds in happened:
        now += timedelta(seconds=seconds)
        health = act(health, name, value, now)
    worse = after_failure(health, at=now, seconds=0.0, error="down", policy=POLICY)
    assert score(worse, now, POLICY) <= score(health, now, POLICY)
    better = after_answer(health, at=now, seconds=0.0, completeness=1.0, policy=POLICY)
    assert breaker(better, now, POLICY) is Breaker.CLOSED
    assert score(better, now, POLICY) >= score(health, now, POLICY)


@given(acts, st.integers(0, 10_000))
def test_what_is_held_against_a_source_fades(happened: list, hours: int) -> None:
    health, now = NEW, START
    for name, value, seconds in happened:
        now += timedelta(seconds=seconds)
        health = act(health, name, value, now)
    later = now + timedelta(hours=hours)
    assert score(health, later, POLICY) >= score(health, now, POLICY) - 1e-12


def test_half_of_it_is_forgotten_after_recovery_hours() -> None:
    once = failed(1)
    assert score(once, START, POLICY) == pytest.approx(0.8)
    later = START + timedelta(hours=POLICY.recovery_hours)
    assert score(once, later, POLICY) == pytest.approx(0.9)


def test_the_breaker_opens_at_the_fifth_failure_in_a_row_and_rests_a_quarter_of_an_hour() -> None:
    assert breaker(failed(4), START, POLICY) is Breaker.CLOSED
    opened = failed(5)
    assert breaker(opened, START, POLICY) is Breaker.OPEN
    assert breaker(opened, START + 15 * MINUTE - timedelta(seconds=1), POLICY) is Breaker.OPEN
    assert breaker(opened, START + 15 * MINUTE, POLICY) is Breaker.HALF_OPEN


def test_an_answer_between_failures_starts_the_count_again() -> None:
    health = after_answer(failed(4), at=START, seconds=1.0, completeness=1.0, policy=POLICY)
    assert breaker(failed(4, health), START, POLICY) is Breaker.CLOSED


def test_a_failed_probe_opens_it_again_at_once_and_a_late_failure_does_not_prolong_it() -> None:
    opened = failed(5)
    assert failed(1, opened, START + MINUTE).opened_at == START
    probe = START + 20 * MINUTE
    assert failed(1, opened, probe).opened_at == probe


def test_a_refusal_says_nothing_of_the_source() -> None:
    health = NEW
    for _ in range(10):
        health = after_refusal(health, at=START, error="not for you", policy=POLICY)
    assert breaker(health, START, POLICY) is Breaker.CLOSED
    assert score(health, START, POLICY) == 1.0
    assert health.last_error == "not for you"


def test_a_slow_source_loses_score_in_proportion() -> None:
    slow = after_answer(
        NEW, at=START, seconds=2 * POLICY.slow_seconds, completeness=1.0, policy=POLICY
    )
    assert score(slow, START, POLICY) == pytest.approx(0.5)


names = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@given(names, st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 8)), st.integers(0, 40))
def test_a_route_is_everyone_once_and_leaves_those_alone_that_rest(
    preferred: list[str], failures: dict[str, int], minutes: int
) -> None:
    healths = {name: failed(times) for name, times in failures.items()}
    now = START + minutes * MINUTE
    way = route(preferred, healths, now, POLICY)
    assert sorted([*way.order, *way.resting]) == sorted(preferred)
    for name in preferred:
        state = breaker(healths.get(name, NEW), now, POLICY)
        assert (name in way.resting) == (state is Breaker.OPEN)
    good = [name for name in way.order if way.scores[name] >= POLICY.min_score]
    assert good == [name for name in preferred if name in good]


def test_preference_holds_until_the_score_is_too_low() -> None:
    strict = RoutingPolicy(min_score=0.5)
    assert route("ab", {"a": failed(3)}, START, strict).order == ("a", "b")
    assert route("ab", {"a": failed(4)}, START, strict).order == ("b", "a")


def test_by_default_a_failing_source_is_asked_until_its_breaker_opens() -> None:
    assert route("ab", {"a": failed(4)}, START, POLICY).order == ("a", "b")
    assert route("ab", {"a": failed(5)}, START, POLICY).order == ("b",)
    assert score(failed(5), START, POLICY) > POLICY.min_score


def test_a_rested_source_is_probed_at_its_place_of_preference() -> None:
    healths = {"a": failed(5)}
    resting = route("ab", healths, START, POLICY)
    assert resting.order == ("b",)
    assert resting.resting == {"a": START + 15 * MINUTE}
    assert route("ab", healths, START + 15 * MINUTE, POLICY).order == ("a", "b")


def test_a_source_that_failed_is_worth_comparing_with_again_after_a_cool_down() -> None:
    healths = {"b": failed(1)}
    assert route("ab", healths, START + 14 * MINUTE, POLICY).steady == ("a",)
    assert route("ab", healths, START + 15 * MINUTE, POLICY).steady == ("a", "b")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ewma_weight": 0.0},
        {"ewma_weight": 1.1},
        {"recovery_hours": 0.0},
        {"slow_seconds": -1.0},
        {"min_score": 1.1},
        {"failures_to_open": 0},
        {"cool_down_minutes": 0},
        {"cross_check_sessions": -1},
        {"cross_check_symbols": 0},
        {"price_tolerance_ticks": -0.1},
        {"max_disagreement_frac": 2.0},
        {"vendor_due_minutes": -1},
    ],
)
def test_a_limit_out_of_range_is_named(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RoutingPolicy(**wrong)
