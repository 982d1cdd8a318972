"""Events are stored by ex-date; adjusting goes forward without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl
import pytest

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
from tradegraph_dagster.domain.core.errors import MissingSession, SourceSuspect, UnknownSymbol
from tradegraph_dagster.domain.core.frame_store import FrameStore, StepReport, write_sessions
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.corporate_actions.events import events_in_force
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.corporate_actions.step import adjust_sessions, ingest_actions
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

DAYS = weekdays(8)
BARS = make_raw_bars(DAYS)
EVENTS = make_events(Event(DAYS[2], cash_per_share=0.5), Event(DAYS[5], split_ratio=2.0))
CHANGED = make_events(Event(DAYS[2], cash_per_share=0.6), Event(DAYS[5], split_ratio=2.0))
EVENING = known_after(DAYS[-1])


def stocked(
    *,
    first_session: date = DAYS[0],
    events: pl.DataFrame = EVENTS,
    without: tuple[date, ...] = (),
) -> Workspace:
    ws = make_workspace(first_session)
    days = [day for day in DAYS if day not in without]
    write_sessions(ws.store, RAW_BARS, BARS, days)
    write_sessions(ws.store, INSTRUMENTS, make_instruments_of(BARS), days)
    write_sessions(ws.store, CORPORATE_ACTIONS, events, days)
    return ws


class CountingStore:
    """A store that remembers which sessions were read."""

    def __init__(self, store: FrameStore) -> None:
        self._store = store
        self.read_sessions: set[date] = set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def read(self, schema: FrameSchema, partitions: Sequence[date]) -> pl.DataFrame:
        self.read_sessions.update(partitions)
        return self._store.read(schema, partitions)


def fingerprints(ws: Workspace) -> list[str]:
    return [ws.store.fingerprint(ADJUSTED_BARS.name, day) for day in DAYS]


def ingest(
    ws: Workspace, events: pl.DataFrame, *, source: str = "made", days_later: int = 0
) -> StepReport:
    """Ask a source of that name, in the evening some days after the last session."""
    asked = RecordingSource(event_rows=events.with_columns(source=pl.lit(source)), name=source)
    return ingest_actions(
        ws,
        SourcePanel([asked]),
        DAYS,
        latest_known=DAYS[-1],
        seen_at=EVENING + timedelta(days=days_later),
        derived=("validated_bars",),
    )


def test_a_session_without_events_is_an_empty_partition() -> None:
    ws = make_workspace(DAYS[0])
    report = ingest(ws, EVENTS)
    assert [part.rows for part in report.written] == [0, 0, 1, 0, 0, 1, 0, 0]
    assert not report.withheld
    assert report.written[2].facts.items() >= {
        ("events", 1),
        ("known_late", 0),
        ("versions", 1),
        ("withdrawn", 0),
        ("disputed", 0),
    }


def test_events_of_a_session_that_is_too_far_ahead_are_not_asked_for() -> None:
    source = RecordingSource(event_rows=EVENTS)
    report = ingest_actions(
        make_workspace(DAYS[0]),
        SourcePanel([source]),
        DAYS,
        latest_known=DAYS[3],
        seen_at=EVENING,
    )
    assert source.asked == list(DAYS[:4])
    assert list(report.withheld) == list(DAYS[4:])
    assert isinstance(report.withheld[DAYS[4]], MissingSession)


def test_an_event_keeps_the_instant_it_was_first_seen() -> None:
    ws = make_workspace(DAYS[0])
    first = ingest(ws, EVENTS)
    seen_again = EVENTS.with_columns(pl.col("known_at") + timedelta(days=9))
    again = ingest(ws, seen_again)
    assert [part.fingerprint for part in first.written] == [
        part.fingerprint for part in again.written
    ]


def test_a_changed_event_is_a_new_version_beside_the_old_one() -> None:
    ws = make_workspace(DAYS[0])
    ingest(ws, EVENTS)
    report = ingest(ws, CHANGED)
    stored = ws.store.read(CORPORATE_ACTIONS, [DAYS[2]])
    assert stored["cash_per_share"].to_list() == [0.5, 0.6]
    assert stored["known_at"].to_list() == [EVENTS["known_at"][0], EVENING]
    assert events_in_force(stored)["cash_per_share"].to_list() == [0.6]
    assert report.written[2].facts["versions"] == 2


def test_a_withdrawn_event_leaves_a_version_that_changes_nothing() -> None:
    ws = make_workspace(DAYS[0])
    ingest(ws, EVENTS)
    first = ingest(ws, EVENTS.clear())
    assert first.written[2].facts.items() >= {("events", 0), ("versions", 2), ("withdrawn", 1)}
    stored = ws.store.read(CORPORATE_ACTIONS, DAYS)
    assert events_in_force(stored).is_empty()
    assert events_in_force(stored, EVENING - timedelta(seconds=1)).equals(EVENTS)
    again = ingest(ws, EVENTS.clear(), days_later=1)
    assert [one.fingerprint for one in again.written] == [one.fingerprint for one in first.written]
    assert again.written[2].facts["withdrawn"] == 0


def test_the_silence_of_another_source_withdraws_nothing_and_is_reported() -> None:
    ws = make_workspace(DAYS[0])
    ingest(ws, EVENTS)
    report = ingest(ws, EVENTS.clear(), source="other")
    assert report.written[2].facts.items() >= {("events", 1), ("withdrawn", 0), ("disputed", 1)}
    assert ws.store.read(CORPORATE_ACTIONS, DAYS).equals(EVENTS)


def test_a_change_seen_no_later_than_what_it_changes_is_withheld() -> None:
    ws = make_workspace(DAYS[0])
    ingest(ws, EVENTS)
    report = ingest(ws, EVENTS.clear(), days_later=-30)
    assert list(report.withheld) == [DAYS[2], DAYS[5]]
    assert isinstance(report.withheld[DAYS[2]], SourceSuspect)
    assert ws.store.read(CORPORATE_ACTIONS, DAYS).equals(EVENTS)


def test_changed_events_withdraw_the_bars_that_stand_on_them() -> None:
    ws = adjusted_and_judged()
    ingest(ws, CHANGED)
    assert ws.store.partitions(ADJUSTED_BARS.name) == set(DAYS[:2])
    assert judged(ws) == set(DAYS[:2])
    report = adjust_sessions(ws, DAYS)
    assert not report.withheld
    fresh = stocked(events=CHANGED)
    adjust_sessions(fresh, DAYS)
    assert fingerprints(ws) == fingerprints(fresh)


@pytest.mark.parametrize(
    ("shown", "from_day"),
    [
        (pl.concat([EVENTS, make_events(Event(DAYS[3], cash_per_share=0.3))]), 3),
        (EVENTS.filter(pl.col("session") != DAYS[5]), 5),
    ],
    ids=["late", "gone"],
)
def test_a_late_event_and_one_that_is_gone_withdraw_the_bars_from_their_day_on(
    shown: pl.DataFrame, from_day: int
) -> None:
    ws = adjusted_and_judged()
    ingest(ws, shown.sort(CORPORATE_ACTIONS.key))
    assert ws.store.partitions(ADJUSTED_BARS.name) == set(DAYS[:from_day])
    assert judged(ws) == set(DAYS[:from_day])


def test_an_event_shown_late_is_known_from_when_it_was_seen() -> None:
    ws = make_workspace(DAYS[0])
    ingest(ws, EVENTS.clear())
    ingest(ws, EVENTS, days_later=2)
    stored = ws.store.read(CORPORATE_ACTIONS, DAYS)
    assert stored["known_at"].unique().to_list() == [EVENING + timedelta(days=2)]


def test_unchanged_events_withdraw_nothing_and_touch_no_bars() -> None:
    ws = adjusted_and_judged()
    ingest(ws, EVENTS)
    ingest(ws, EVENTS.clear(), source="other")
    assert ws.store.partitions(ADJUSTED_BARS.name) == judged(ws) == set(DAYS)


def test_one_day_reads_itself_and_the_day_before() -> None:
    ws = stocked()
    adjust_sessions(ws, DAYS)
    counting = CountingStore(ws.store)
    adjust_sessions(replace(ws, store=counting), DAYS[-1:])
    assert counting.read_sessions <= {DAYS[-2], DAYS[-1]}


def test_an_event_shown_after_the_open_is_counted() -> None:
    late = datetime(2024, 1, 3, 12, 0, tzinfo=EVENTS["known_at"][0].tzinfo)
    report = ingest(
        make_workspace(DAYS[0]), make_events(Event(DAYS[2], split_ratio=2, known_at=late))
    )
    assert report.written[2].facts["known_late"] == 1


@pytest.mark.parametrize(
    "impossible",
    [
        Event(DAYS[2], cash_per_share=-1.0),
        Event(DAYS[2], cash_per_share=float("nan")),
        Event(DAYS[2], split_ratio=0.0),
        Event(DAYS[2], rights_ratio=0.3),
        Event(DAYS[2], rights_price=6.0, bonus_ratio=0.1),
        Event(DAYS[2]),
    ],
)
def test_an_impossible_event_withholds_its_session(impossible: Event) -> None:
    report = ingest(make_workspace(DAYS[0]), make_events(impossible))
    assert list(report.withheld) == [DAYS[2]]
    assert isinstance(report.withheld[DAYS[2]], SourceSuspect)
    assert report.withheld[DAYS[2]].symbol == SYMBOLS[0]
    assert len(report.written) == len(DAYS) - 1


def test_an_event_of_an_unknown_symbol_withholds_its_session() -> None:
    report = ingest(make_workspace(DAYS[0]), make_events(Event(DAYS[2], "999999.SH", 1.0)))
    assert isinstance(report.withheld[DAYS[2]], UnknownSymbol)


def test_a_range_is_adjusted_from_where_history_begins() -> None:
    ws = stocked()
    report = adjust_sessions(ws, DAYS)
    assert [part.partition for part in report.written] == list(DAYS)
    assert not report.withheld
    adjusted = ws.store.read(ADJUSTED_BARS, DAYS)
    factors = adjusted.filter(pl.col("symbol") == SYMBOLS[0])["price_factor"].to_list()
    assert factors[5] == factors[2] * 2


def test_the_report_counts_what_was_carried() -> None:
    symbols = [f"{600000 + at}.SH" for at in range(50)]
    bars = make_raw_bars(DAYS, symbols)
    gap = (pl.col("symbol") == symbols[3]) & (pl.col("session") == DAYS[2])
    ws = make_workspace(DAYS[0])
    write_sessions(ws.store, RAW_BARS, bars.filter(~gap), DAYS)
    write_sessions(ws.store, INSTRUMENTS, make_instruments_of(bars), DAYS)
    write_sessions(ws.store, CORPORATE_ACTIONS, make_events(), DAYS)
    facts = [part.facts for part in adjust_sessions(ws, DAYS).written]
    assert [fact["carried"] for fact in facts] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert facts[2] == {"symbols": 50, "suspended": 1, "carried": 1}


def test_session_by_session_writes_the_bits_of_the_range() -> None:
    together, single = stocked(), stocked()
    adjust_sessions(together, DAYS)
    for day in DAYS:
        adjust_sessions(single, [day])
    assert fingerprints(together) == fingerprints(single)


def test_running_again_changes_nothing() -> None:
    ws = stocked()
    adjust_sessions(ws, DAYS)
    before = fingerprints(ws)
    adjust_sessions(ws, DAYS[3:6])
    assert fingerprints(ws) == before


def test_a_session_without_inputs_withholds_itself_and_all_later_ones() -> None:
    ws = stocked(without=(DAYS[3],))
    report = adjust_sessions(ws, DAYS)
    assert [part.partition for part in report.written] == list(DAYS[:3])
    assert list(report.withheld) == list(DAYS[3:])
    assert all(isinstance(error, MissingSession) for error in report.withheld.values())
    assert "raw_bars" in str(report.withheld[DAYS[3]])
    assert f"adjusted_bars {DAYS[3]}" in str(report.withheld[DAYS[4]])


def judged(ws: Workspace) -> set[date]:
    """Sessions that still have a table made from their adjusted bars."""
    return set(ws.store.partitions(RAW_BARS.name)) & set(ws.store.partitions("validated_bars"))


def adjusted_and_judged(**options: object) -> Workspace:
    ws = stocked(**options)
    adjust_sessions(ws, DAYS)
    write_sessions(ws.store, VALIDATED_BARS, ws.store.read(ADJUSTED_BARS, DAYS), DAYS)
    return ws


def test_later_sessions_never_build_on_an_old_version_of_a_withheld_one() -> None:
    ws = adjusted_and_judged()
    bad = make_events(Event(DAYS[3], cash_per_share=1_000.0))
    write_sessions(ws.store, CORPORATE_ACTIONS, bad, [DAYS[3]])
    report = adjust_sessions(ws, DAYS, derived=("validated_bars",))
    assert [part.partition for part in report.written] == list(DAYS[:3])
    assert isinstance(report.withheld[DAYS[3]], SourceSuspect)
    assert isinstance(report.withheld[DAYS[4]], MissingSession)
    assert ws.store.partitions(ADJUSTED_BARS.name) == set(DAYS[:3])
    assert judged(ws) == set(DAYS[:3])


def test_a_session_whose_inputs_are_gone_takes_the_later_ones_with_it() -> None:
    ws = adjusted_and_judged()
    ws.store.remove(RAW_BARS.name, DAYS[3])
    adjust_sessions(ws, [DAYS[3]], derived=("validated_bars",))
    assert ws.store.partitions(ADJUSTED_BARS.name) == set(DAYS[:3])


def test_other_factors_withdraw_every_later_session() -> None:
    ws = adjusted_and_judged()
    late = make_events(Event(DAYS[4], cash_per_share=0.3))
    write_sessions(ws.store, CORPORATE_ACTIONS, late, [DAYS[4]])
    adjust_sessions(ws, [DAYS[4]], derived=("validated_bars",))
    assert ws.store.partitions(ADJUSTED_BARS.name) == set(DAYS[:5])
    assert judged(ws) == set(DAYS[:4])


def test_changed_bars_withdraw_their_own_judgement_only() -> None:
    ws = adjusted_and_judged()
    higher = BARS.with_columns(pl.col("high") + 0.01)
    write_sessions(ws.store, RAW_BARS, higher, [DAYS[4]])
    adjust_sessions(ws, [DAYS[4]], derived=("validated_bars",))
    assert ws.store.partitions(ADJUSTED_BARS.name) == set(DAYS)
    assert judged(ws) == set(DAYS) - {DAYS[4]}


def test_running_again_withdraws_nothing() -> None:
    ws = adjusted_and_judged()
    adjust_sessions(ws, DAYS[2:5], derived=("validated_bars",))
    assert judged(ws) == set(DAYS)


def test_a_first_session_that_fails_withholds_everything() -> None:
    ws = stocked()
    adjust_sessions(ws, DAYS[:3])
    bad = make_events(Event(DAYS[3], cash_per_share=1_000.0))
    write_sessions(ws.store, CORPORATE_ACTIONS, bad, [DAYS[3]])
    report = adjust_sessions(ws, DAYS[3:])
    assert report.written == ()
    assert list(report.withheld) == list(DAYS[3:])


def test_the_session_before_must_be_adjusted() -> None:
    report = adjust_sessions(stocked(), DAYS[2:4])
    assert report.written == ()
    assert f"adjusted_bars {DAYS[1]}" in str(report.withheld[DAYS[2]])


def test_a_gap_in_the_list_is_no_gap_in_the_lake() -> None:
    ws = stocked()
    adjust_sessions(ws, DAYS)
    report = adjust_sessions(ws, [DAYS[6], DAYS[1], DAYS[2]])
    assert [part.partition for part in report.written] == [DAYS[1], DAYS[2], DAYS[6]]


def test_sessions_before_history_are_refused() -> None:
    report = adjust_sessions(stocked(first_session=DAYS[2]), DAYS)
    assert list(report.withheld) == list(DAYS[:2])
    assert str(DAYS[2]) in str(report.withheld[DAYS[0]])
    assert [part.partition for part in report.written] == list(DAYS[2:])


def test_a_closed_day_is_refused() -> None:
    report = adjust_sessions(stocked(), [date(2024, 1, 6)])
    assert isinstance(report.withheld[date(2024, 1, 6)], MissingSession)
