"""What was known at an instant can always be asked, and no later answer changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.make_bars import known_after, weekdays
from tests.support.make_market_data import (
    SYMBOLS,
    Event,
    RecordingSource,
    make_events,
    make_instruments_of,
    make_raw_bars,
    make_workspace,
)
from tests.support.model_lake import CopiedStore
from tradegraph_dagster.domain.core import frame_store
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.corporate_actions.as_of import adjusted_bars_as_of
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.compute import bars_to_features
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.market_data.versions import merge_versions
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

DAYS = weekdays(7)
A = SYMBOLS[0]
EVENING = known_after(DAYS[-1])

terms = st.fixed_dictionaries(
    {
        "cash_per_share": st.sampled_from([0.1, 0.25, 1.5]),
        "bonus_ratio": st.sampled_from([0.0, 0.3]),
        "split_ratio": st.sampled_from([1.0, 2.0, 0.5]),
    }
)
# What the source shows on one evening: every event, or some no more, or others.
answers = st.dictionaries(
    st.tuples(st.sampled_from(DAYS), st.sampled_from(SYMBOLS)), terms, max_size=4
)
corrections = st.dictionaries(st.sampled_from(DAYS), st.floats(5.0, 30.0), max_size=2)
evenings = st.lists(st.tuples(answers, corrections), min_size=1, max_size=5)
few_evenings = st.lists(st.tuples(answers, corrections), min_size=1, max_size=2)
Answer = Mapping[tuple[date, str], Mapping[str, float]]
Evenings = list[tuple[Answer, Mapping[date, float]]]
ALPHA158 = load_feature_set("alpha158")


@cache
def _new_lake() -> CopiedStore:
    store, bars = CopiedStore(), make_raw_bars(DAYS, seed=3)
    write_sessions(store, RAW_BARS, bars, DAYS)
    write_sessions(store, INSTRUMENTS, make_instruments_of(bars), DAYS)
    return store


def new_workspace() -> Workspace:
    return replace(make_workspace(DAYS[0]), store=_new_lake().copied())


def show(ws: Workspace, answer: Answer, evening: datetime) -> None:
    events = make_events(*(Event(day, symbol, **one) for (day, symbol), one in answer.items()))
    report = ingest_actions(
        ws,
        SourcePanel([RecordingSource(event_rows=events, name="made")]),
        DAYS,
        latest_known=DAYS[-1],
        seen_at=evening,
        derived=(VALIDATED_BARS.name,),
    )
    assert not report.withheld


def correct(ws: Workspace, closes: Mapping[date, float], evening: datetime) -> None:
    for day, close in closes.items():
        stored = ws.store.read(RAW_BARS, [day])
        newer = stored.filter(pl.col("symbol") == A).tail(1)
        newer = newer.with_columns(close=pl.lit(close), known_at=pl.lit(evening))
        merged = merge_versions(stored, newer.cast(RAW_BARS.dtypes)).bars
        write_sessions(ws.store, RAW_BARS, merged, [day])


def replay(ws: Workspace, drawn: Evenings, *, first: int = 0) -> list[pl.DataFrame]:
    """The stored adjusted bars of each evening, the evenings counted from `first`."""
    kept = []
    for number, (answer, closes) in enumerate(drawn, first):
        evening = EVENING + timedelta(days=number)
        correct(ws, closes, evening)
        show(ws, answer, evening)
        assert not adjust_sessions(ws, DAYS).withheld
        kept.append(ws.store.read(ADJUSTED_BARS, DAYS))
    return kept


@given(drawn=evenings)
def test_every_evening_can_be_asked_for_again(drawn: list) -> None:
    ws = new_workspace()
    kept = replay(ws, drawn)
    for number, stored in enumerate(kept):
        evening = EVENING + timedelta(days=number)
        assert adjusted_bars_as_of(ws, DAYS, evening).equals(stored)
        some = [DAYS[1], DAYS[4]]
        here = pl.col("session").is_in(some)
        assert adjusted_bars_as_of(ws, some, evening).equals(stored.filter(here))


@given(drawn=evenings, later=answers)
def test_nothing_said_later_changes_what_was_known(drawn: list, later: Answer) -> None:
    ws = new_workspace()
    replay(ws, drawn)
    as_of = EVENING + timedelta(days=len(drawn) - 1)
    before = adjusted_bars_as_of(ws, DAYS, as_of)
    replay_at = as_of + timedelta(microseconds=1)
    show(ws, later, replay_at)
    assert adjusted_bars_as_of(ws, DAYS, as_of).equals(before)


@given(drawn=answers, size=st.integers(1, len(DAYS)))
def test_batches_have_the_bits_of_one_go(drawn: Answer, size: int) -> None:
    whole, parts = new_workspace(), new_workspace()
    replay(whole, [(drawn, {})])
    usual = frame_store.SESSIONS_A_BATCH
    try:
        frame_store.SESSIONS_A_BATCH = size
        replay(parts, [(drawn, {})])
        view = adjusted_bars_as_of(parts, DAYS, EVENING)
    finally:
        frame_store.SESSIONS_A_BATCH = usual
    stored = whole.store.read(ADJUSTED_BARS, DAYS)
    assert parts.store.read(ADJUSTED_BARS, DAYS).equals(stored)
    assert view.equals(stored)


@given(drawn=answers, later=terms, cut=st.integers(1, len(DAYS) - 1))
def test_features_of_a_session_know_nothing_of_a_later_ex_date(
    drawn: Answer, later: Mapping[str, float], cut: int
) -> None:
    """Yesterday's features computed again today, after a new event, have the same bits."""
    ws = new_workspace()
    known = {key: one for key, one in drawn.items() if key[0] < DAYS[cut]}

    def features(evening: datetime, answer: Answer) -> list[str]:
        show(ws, answer, evening)
        assert not adjust_sessions(ws, DAYS, derived=(VALIDATED_BARS.name,)).withheld
        write_sessions(ws.store, VALIDATED_BARS, ws.store.read(ADJUSTED_BARS, DAYS), DAYS)
        assert not compute_features(ws, ALPHA158, DAYS[:cut]).withheld
        return [ws.store.fingerprint(FEATURES, day) for day in DAYS[:cut]]

    before = features(EVENING, known)
    factors = ws.store.read(ADJUSTED_BARS, DAYS[cut:])["price_factor"]
    after = features(EVENING + timedelta(days=1), {**known, (DAYS[cut], A): later})
    assert before == after
    assert not ws.store.read(ADJUSTED_BARS, DAYS[cut:])["price_factor"].equals(factors)


def features_as_of(ws: Workspace, evening: datetime) -> pl.DataFrame:
    """Features of every session from nothing but what was known on an evening."""
    return bars_to_features(
        adjusted_bars_as_of(ws, DAYS, evening),
        ALPHA158,
        sessions=DAYS,
        calendar=ws.calendar,
        history_begins=DAYS[0],
    )


@settings(max_examples=20)
@given(drawn=few_evenings, later=few_evenings)
def test_features_as_of_an_evening_know_nothing_of_what_was_said_later(
    drawn: Evenings, later: Evenings
) -> None:
    """Events and bars of any session, its own and earlier ones, may be restated afterwards."""
    ws = new_workspace()
    replay(ws, drawn)
    as_of = EVENING + timedelta(days=len(drawn) - 1)
    before = features_as_of(ws, as_of)
    replay(ws, later, first=len(drawn))
    assert features_as_of(ws, as_of).equals(before)


@pytest.mark.parametrize(
    "restated",
    [
        # Another dividend, none at all, and a corrected close; each of a session before the last.
        ({(DAYS[3], A): {"cash_per_share": 1.5}}, {}),
        ({}, {}),
        ({(DAYS[3], A): {"cash_per_share": 0.25}}, {DAYS[4]: 25.0}),
    ],
    ids=["event", "withdrawal", "bar"],
)
def test_a_restatement_changes_features_from_the_evening_on_that_it_was_said(
    restated: tuple[Answer, Mapping[date, float]],
) -> None:
    ws = new_workspace()
    replay(ws, [({(DAYS[3], A): {"cash_per_share": 0.25}}, {})])
    before = features_as_of(ws, EVENING)
    replay(ws, [restated], first=1)
    a_microsecond = timedelta(microseconds=1)
    said = EVENING + timedelta(days=1)
    assert features_as_of(ws, said - a_microsecond).equals(before)
    assert not features_as_of(ws, said).equals(before)
    unlike = features_as_of(ws, said).join(before, on=list(before.columns), how="anti")
    assert set(unlike["symbol"]) == {A}
    assert min(unlike["session"]) >= DAYS[3]
