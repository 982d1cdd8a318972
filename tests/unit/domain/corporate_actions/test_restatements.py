"""What a newer answer does to the stored versions of events."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from tests.support.make_bars import known_after, weekdays
from tests.support.make_market_data import SYMBOLS, Event, make_events
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.corporate_actions.events import events_in_force, impossible_events
from tradegraph_dagster.domain.corporate_actions.restatements import Restatement, restate_events
from tradegraph_dagster.domain.corporate_actions.schema import CORPORATE_ACTIONS

DAY, NEXT = weekdays(2)
A, B = SYMBOLS
STORED = make_events(Event(DAY, A, cash_per_share=0.5), Event(DAY, B, split_ratio=2.0))
SHOWN = STORED["known_at"][0]
NOW = known_after(NEXT)


def restate(
    *events: Event, stored: pl.DataFrame = STORED, by: str = "made", at: datetime = NOW
) -> Restatement:
    days = set(stored["session"])
    return restate_events(stored, make_events(*events), {DAY: by}, at, asked_before=days)


def same_b() -> Event:
    return Event(DAY, B, split_ratio=2.0)


def versions(now: Restatement, symbol: str = A) -> list[tuple[float, datetime]]:
    mine = now.events.filter(pl.col("symbol") == symbol)
    return list(mine.select("cash_per_share", "known_at").iter_rows())


def test_the_same_terms_add_nothing_whoever_shows_them_and_whenever() -> None:
    later = SHOWN + timedelta(hours=1)
    same = Event(DAY, A, cash_per_share=0.5, source="other", known_at=later)
    now = restate(same, same_b(), by="other")
    assert now.events.equals(STORED)
    assert not now.restated
    assert now.disputed.is_empty()


def test_a_change_keeps_the_later_instant_it_claims() -> None:
    later = SHOWN + timedelta(hours=1)
    now = restate(Event(DAY, A, cash_per_share=0.6, known_at=later), same_b())
    assert versions(now) == [(0.5, SHOWN), (0.6, later)]
    assert now.restated == {DAY}


def test_an_undated_change_became_known_when_it_was_seen() -> None:
    now = restate(Event(DAY, A, cash_per_share=0.6), same_b())
    assert versions(now) == [(0.5, SHOWN), (0.6, NOW)]


def test_an_undated_change_by_another_source_is_disputed() -> None:
    now = restate(Event(DAY, A, cash_per_share=0.6, source="other"), same_b(), by="other")
    assert now.events.equals(STORED)
    assert now.disputed.rows() == [(DAY, A)]


def test_a_source_may_change_its_mind_and_back() -> None:
    first = restate(Event(DAY, A, cash_per_share=0.6), same_b())
    later = NOW + timedelta(days=1)
    back = restate(Event(DAY, A, cash_per_share=0.5), same_b(), stored=first.events, at=later)
    assert versions(back) == [(0.5, SHOWN), (0.6, NOW), (0.5, later)]


def test_an_event_no_longer_shown_is_withdrawn_and_may_return() -> None:
    gone = restate(same_b())
    assert versions(gone) == [(0.5, SHOWN), (0.0, NOW)]
    assert gone.withdrawn.rows() == [(DAY, A)]
    assert events_in_force(gone.events)["symbol"].to_list() == [B]
    again = restate(same_b(), stored=gone.events, at=NOW + timedelta(days=1))
    assert again.events.equals(gone.events)
    later = NOW + timedelta(days=2)
    event = Event(DAY, A, cash_per_share=0.5)
    returned = restate(event, same_b(), stored=gone.events, at=later)
    assert versions(returned)[-1] == (0.5, later)


def test_the_silence_of_another_source_is_disputed() -> None:
    now = restate(same_b(), by="other")
    assert now.events.equals(STORED)
    assert now.disputed.rows() == [(DAY, A)]
    assert now.withdrawn.is_empty()


def test_a_late_event_became_known_when_it_was_seen_whatever_it_claims() -> None:
    nothing = CORPORATE_ACTIONS.empty()
    event = Event(DAY, A, cash_per_share=0.5)
    answer = make_events(event)
    late = restate_events(nothing, answer, {DAY: "made"}, NOW, asked_before={DAY})
    assert versions(late) == [(0.5, NOW)]
    first = restate_events(nothing, answer, {DAY: "made"}, NOW)
    assert versions(first) == [(0.5, SHOWN)]


def test_a_first_answer_may_bring_its_own_history() -> None:
    later = SHOWN + timedelta(hours=1)
    shown = [
        Event(DAY, A, cash_per_share=0.5),
        Event(DAY, A, cash_per_share=0.5, known_at=later - timedelta(minutes=1)),
        Event(DAY, A, cash_per_share=0.6, known_at=later),
    ]
    now = restate_events(CORPORATE_ACTIONS.empty(), make_events(*shown), {DAY: "made"}, NOW)
    assert versions(now) == [(0.5, SHOWN), (0.6, later)]


def test_a_change_seen_no_later_than_what_is_stored_is_refused() -> None:
    now = restate(same_b(), at=SHOWN)
    assert list(now.refused) == [DAY]
    assert now.refused[DAY].symbol == A


def test_an_instant_needs_a_time_zone() -> None:
    with pytest.raises(InvariantBroken, match="time zone"):
        restate(same_b(), at=datetime(2024, 1, 9))  # noqa: DTZ001


def test_taking_back_an_earlier_version_is_possible_and_nothing_at_all_is_not() -> None:
    gone = restate(same_b())
    assert not impossible_events(gone.events, "made")
    assert list(impossible_events(make_events(Event(DAY)), "made")) == [DAY]
