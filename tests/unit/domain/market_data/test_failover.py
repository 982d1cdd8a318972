"""A source that fails is passed over, left alone and tried again, and nothing is mixed."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tests.support.make_market_data import make_instruments_of, make_raw_bars, make_workspace
from tests.support.make_panel import NOW, SwitchedSource, make_watch, watched
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.core.errors import (
    Action,
    ConfigError,
    SchemaError,
    SourceRefused,
    SourceSuspect,
    SourceUnavailable,
)
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.health import DataKind
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
from tradegraph_dagster.domain.markets.workspace import Workspace

DAYS = weekdays(5)
FIRST = make_raw_bars(DAYS).with_columns(source=pl.lit("first"))
SECOND = FIRST.with_columns(source=pl.lit("second"))
DOWN = SourceUnavailable("connection refused")


@pytest.fixture
def ws() -> Workspace:
    return make_workspace(DAYS[0])


def sources(error: Exception | None = DOWN) -> tuple[SwitchedSource, SwitchedSource]:
    return (
        SwitchedSource(make_instruments_of(FIRST), FIRST, name="first", error=error),
        SwitchedSource(make_instruments_of(SECOND), SECOND, name="second"),
    )


def ingest(ws: Workspace, panel: SourcePanel, days=DAYS):
    return ingest_bars(ws, panel, days, latest_closed=DAYS[-1])[0]


def test_the_second_source_answers_when_the_first_is_down(ws: Workspace) -> None:
    report = ingest(ws, watched(*sources()))
    assert not report.withheld
    assert ws.store.read(RAW_BARS, DAYS).equals(SECOND)
    facts = report.written[0].facts
    assert facts["source"] == "second"
    assert facts["failed_over_from"] == "first: SourceUnavailable: connection refused"
    assert facts["score"] == 1.0


def test_instruments_fail_over_as_bars_do(ws: Workspace) -> None:
    report = ingest_instruments(ws, watched(*sources()), DAYS, latest_closed=DAYS[-1])
    assert {part.facts["source"] for part in report.written} == {"second"}
    assert ws.store.read(INSTRUMENTS, DAYS).height == FIRST.height


def test_a_session_comes_whole_from_one_source(ws: Workspace) -> None:
    first, second = sources(error=None)
    first.bar_rows = FIRST.filter(pl.col("session") != DAYS[2])
    report = ingest(ws, watched(first, second, cross_check_sessions=0))
    stored = ws.store.read(RAW_BARS, DAYS)
    by_session = dict(stored.group_by("session").agg(pl.col("source").unique()).iter_rows())
    assert by_session == {day: ["second" if day == DAYS[2] else "first"] for day in DAYS}
    assert second.asked == [DAYS[2]]
    assert "answered no row" in str(report.written[2].facts["failed_over_from"])
    assert report.written[1].facts["failed_over_from"] == "none"


def test_five_failures_open_the_breaker_and_the_source_is_left_alone(ws: Workspace) -> None:
    clock = FixedClock(NOW)
    first, second = sources()
    panel = SourcePanel([first, second], make_watch(clock, cross_check_sessions=0))
    for _ in range(8):
        ingest(ws, panel)
    assert (first.requests, second.requests) == (5, 8)
    report = ingest(ws, panel)
    assert "left alone until 2024-01-09T08:15:00" in str(report.written[0].facts)

    clock.advance(timedelta(minutes=15))
    ingest(ws, panel)
    assert first.requests == 6, "one probe"
    ingest(ws, panel)
    assert first.requests == 6, "which failed, so it rests again"

    clock.advance(timedelta(minutes=15))
    first.error = None
    ingest(ws, panel)
    health = panel.watch.book.read(DataKind.BARS)["first"]
    assert (first.requests, health.opened_at, health.consecutive_failures) == (7, None, 0)


def test_while_everyone_rests_nobody_is_asked(ws: Workspace) -> None:
    first, second = sources()
    second.error = DOWN
    panel = watched(first, second, failures_to_open=1)
    with pytest.raises(SourceUnavailable, match="connection refused"):
        ingest(ws, panel)
    with pytest.raises(SourceUnavailable, match=r"first.*left alone until.*second.*left alone"):
        ingest(ws, panel)
    assert (first.requests, second.requests) == (1, 1)


def test_a_breaker_is_for_one_kind_of_data(ws: Workspace) -> None:
    first, second = sources()
    panel = watched(first, second, failures_to_open=1)
    ingest(ws, panel)
    ingest_instruments(ws, panel, DAYS, latest_closed=DAYS[-1])
    assert first.requests == 2


@pytest.mark.parametrize(
    ("errors", "expected", "action"),
    [
        ((SourceRefused("a"), SourceRefused("b")), SourceRefused, Action.FIX),
        ((SourceRefused("a"), SourceUnavailable("b")), SourceUnavailable, Action.RETRY),
        ((SourceSuspect("a"), SourceUnavailable("b")), SourceUnavailable, Action.RETRY),
        ((SourceSuspect("a"), SchemaError("b")), SourceSuspect, Action.WAIT),
        ((SchemaError("a"), SourceRefused("b")), SchemaError, Action.FIX),
    ],
)
def test_all_failing_is_one_error_that_lists_each(
    ws: Workspace, errors: tuple, expected: type, action: Action
) -> None:
    first, second = sources(error=errors[0])
    second.error = errors[1]
    with pytest.raises(expected, match=r"first: \w+: a; second: \w+: b") as caught:
        ingest(ws, watched(first, second))
    assert caught.value.action is action
    assert ws.store.partitions(RAW_BARS.name) == frozenset()


def test_a_session_nobody_has_is_withheld_with_both_reasons(ws: Workspace) -> None:
    first, second = sources(error=None)
    first.bar_rows = FIRST.filter(pl.col("session") != DAYS[2])
    second.error = DOWN
    report = ingest(ws, watched(first, second))
    assert list(report.withheld) == [DAYS[2]]
    error = report.withheld[DAYS[2]]
    assert isinstance(error, SourceUnavailable)
    assert "first: SourceSuspect" in str(error)
    assert "second: SourceUnavailable" in str(error)
    assert len(report.written) == 4


def test_an_answer_of_which_nothing_can_be_used_counts_as_a_failure(ws: Workspace) -> None:
    first, second = sources(error=None)
    first.bar_rows = RAW_BARS.empty()
    panel = watched(first, second)
    ingest(ws, panel)
    health = panel.watch.book.read(DataKind.BARS)["first"]
    assert health.consecutive_failures == 1
    assert health.last_error.startswith("SourceSuspect")


def test_latency_and_completeness_are_measured(ws: Workspace) -> None:
    clock = FixedClock(NOW)
    only = SwitchedSource(
        bar_rows=FIRST.filter(pl.col("session") != DAYS[2]), clock=clock, seconds=40.0
    )
    panel = SourcePanel([only], make_watch(clock))
    ingest(ws, panel)
    health = panel.watch.book.read(DataKind.BARS)["recorded"]
    assert health.latency_seconds == 40.0
    assert health.completeness == pytest.approx(1 - 0.2 * 0.2)
    assert health.updated_at == NOW + timedelta(seconds=40)


def test_what_another_source_says_does_not_restate_stored_sessions(ws: Workspace) -> None:
    first, second = sources(error=None)
    ingest(ws, watched(first, second, cross_check_sessions=0))
    first.error = DOWN
    second.bar_rows = SECOND.with_columns(
        volume=pl.col("volume") + 300, known_at=pl.col("known_at") + timedelta(hours=3)
    )
    report = ingest(ws, watched(first, second, cross_check_sessions=0))
    assert ws.store.read(RAW_BARS, DAYS).equals(FIRST)
    assert not report.withheld
    assert {part.facts["source"] for part in report.written} == {"first"}


def test_half_an_answer_is_none_and_the_next_source_is_asked(ws: Workspace) -> None:
    """Whoever answers first keeps the session, so it must not be one who knows a part of it."""
    first, second = sources(error=None)
    ingest_instruments(ws, watched(first, second), DAYS, latest_closed=DAYS[-1])
    half = pl.col("session") == DAYS[0], pl.col("symbol") == FIRST["symbol"][0]
    first.bar_rows = FIRST.filter(~pl.all_horizontal(half))
    panel = watched(first, second)
    report = ingest(ws, panel)
    by_day = {part.partition: part.facts for part in report.written}
    assert by_day[DAYS[0]]["source"] == "second"
    assert "none of 1 of 2, the first" in str(by_day[DAYS[0]]["failed_over_from"])
    assert {by_day[day]["source"] for day in DAYS[1:]} == {"first"}
    assert panel.watch.book.read(DataKind.BARS)["first"].completeness < 1
    alone = make_workspace(DAYS[0])
    ingest_instruments(alone, watched(second), DAYS, latest_closed=DAYS[-1])
    assert list(ingest(alone, watched(first)).withheld) == [DAYS[0]]
    assert DAYS[0] not in alone.store.partitions(RAW_BARS.name)


def test_stored_instruments_are_restated_by_the_preferred_source_only(ws: Workspace) -> None:
    first, second = sources(error=None)
    panel = watched(first, second)

    def listed(days=DAYS):
        report = ingest_instruments(ws, panel, days, latest_closed=DAYS[-1])
        return {part.partition: part.facts["source"] for part in report.written}

    listed(DAYS[:-1])
    before = ws.store.read(INSTRUMENTS, DAYS[:-1])
    first.error = DOWN
    second.instrument_rows = second.instrument_rows.with_columns(is_st=pl.lit(value=True))
    assert listed() == {**dict.fromkeys(DAYS[:-1], "stored"), DAYS[-1]: "second"}
    assert ws.store.read(INSTRUMENTS, DAYS[:-1]).equals(before)
    assert ws.store.read(INSTRUMENTS, [DAYS[-1]])["is_st"].all()
    first.error = None
    assert set(listed().values()) == {"first"}
    assert not ws.store.read(INSTRUMENTS, [DAYS[-1]])["is_st"].any()


def test_a_source_that_took_the_place_of_another_restates_whole_sessions(ws: Workspace) -> None:
    first, second = sources(error=None)
    ingest(ws, watched(first))
    second.bar_rows = SECOND.with_columns(known_at=pl.col("known_at") + timedelta(hours=3))
    ingest(ws, watched(second))
    stored = ws.store.read(RAW_BARS, DAYS)
    newest = stored.filter(pl.col("known_at") == pl.col("known_at").max().over("session", "symbol"))
    assert newest.get_column("source").unique().to_list() == ["second"]
    assert newest.height == FIRST.height


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="first, first"):
        SourcePanel([sources()[0], sources()[0]])
