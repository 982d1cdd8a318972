"""Repeated and late rows are found when an answer comes in."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make_bars import weekdays
from tests.support.make_market_data import RecordingSource, make_raw_bars, make_workspace
from tests.support.make_panel import SwitchedSource, watched
from tests.support.plain_market import weekday_calendar
from tradegraph_dagster.domain.core.errors import SchemaError, SourceUnavailable
from tradegraph_dagster.domain.core.findings import findings_schema
from tradegraph_dagster.domain.core.frames import check_frame
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.intake import (
    CONFLICTING_ROW,
    DUPLICATE_ROW,
    LATE_VENDOR,
    drop_repeats,
    late_sessions,
)
from tradegraph_dagster.domain.market_data.schema import RAW_BARS, VENDOR_FINDINGS
from tradegraph_dagster.domain.market_data.step import ingest_bars
from tradegraph_dagster.domain.markets.workspace import Workspace

DAYS = weekdays(5)
BARS = make_raw_bars(DAYS)
ONE_BAR = (pl.col("session") == DAYS[1]) & (pl.col("symbol") == "000001.SZ")
TWICE = pl.concat([BARS, BARS.filter(ONE_BAR)]).sort(RAW_BARS.key)
CONTRADICTED = pl.concat([BARS, BARS.filter(ONE_BAR).with_columns(close=99.0)]).sort(RAW_BARS.key)
CALENDAR = weekday_calendar()
JUDGED = findings_schema("judged", "What was made of the findings.")
DUE = {"vendor_due_minutes": 90}


def shown_after(minutes: float, *, bars: pl.DataFrame = BARS) -> pl.DataFrame:
    """The bars, known so long after their close."""
    at = {day: CALENDAR.close_at(day) + timedelta(minutes=minutes) for day in DAYS}
    known = pl.col("session").replace_strict(at, return_dtype=RAW_BARS.dtypes["known_at"])
    return bars.with_columns(known_at=known)


@pytest.fixture
def ws() -> Workspace:
    return make_workspace(DAYS[0])


def ingest(ws: Workspace, rows: pl.DataFrame, derived: tuple[str, ...] = ()):
    panel = SourcePanel([RecordingSource(bar_rows=rows)])
    return ingest_bars(ws, panel, DAYS, latest_closed=DAYS[-1], derived=derived)


def found(ws: Workspace) -> list[tuple[date, str, str, str]]:
    frame = ws.store.read(VENDOR_FINDINGS, DAYS).filter(pl.col("gate") != LATE_VENDOR)
    return frame.select("session", "symbol", "gate", "severity").rows()


def test_a_clean_answer_has_no_findings_and_is_left_as_it_is(ws: Workspace) -> None:
    assert drop_repeats(BARS).rows is BARS
    bars, findings = ingest(ws, shown_after(60))
    assert ws.store.read(VENDOR_FINDINGS, DAYS).is_empty()
    assert [part.partition for part in findings.written] == list(DAYS)
    assert findings.written[0].facts == {"warn": 0, "quarantine": 0, "block": 0}
    assert not bars.withheld


def test_one_of_equal_rows_is_kept_with_a_warning(ws: Workspace) -> None:
    bars, _ = ingest(ws, TWICE)
    assert not bars.withheld
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS)
    assert found(ws) == [(DAYS[1], "000001.SZ", DUPLICATE_ROW, "warn")]


def test_none_of_contradicting_rows_is_kept_and_the_symbol_is_quarantined(ws: Workspace) -> None:
    bars, _ = ingest(ws, CONTRADICTED)
    assert not bars.withheld
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS.filter(~ONE_BAR))
    assert found(ws) == [(DAYS[1], "000001.SZ", CONFLICTING_ROW, "quarantine")]
    shown = ws.store.read(VENDOR_FINDINGS, [DAYS[1]]).filter(pl.col("gate") == CONFLICTING_ROW)
    assert shown["found"].item() == "2 rows that contradict each other, none was kept"


def test_a_contradicted_correction_leaves_the_stored_bar_and_quarantines_it(ws: Workspace) -> None:
    ingest(ws, BARS)
    later = pl.col("known_at") + timedelta(hours=1)
    ingest(ws, CONTRADICTED.with_columns(known_at=later))
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS)
    assert found(ws) == [(DAYS[1], "000001.SZ", CONFLICTING_ROW, "quarantine")]


def test_a_clean_answer_clears_what_was_found(ws: Workspace) -> None:
    ingest(ws, CONTRADICTED)
    ingest(ws, BARS)
    assert found(ws) == []
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS)


def test_an_answer_of_other_columns_is_left_to_be_refused() -> None:
    wrong = TWICE.drop("amount")
    assert drop_repeats(wrong).rows is wrong


def test_repeats_in_an_answer_without_order_withhold_the_session(ws: Workspace) -> None:
    bars, _ = ingest(ws, pl.concat([BARS, BARS.filter(ONE_BAR)]))
    assert list(bars.withheld) == [DAYS[1]]
    assert isinstance(bars.withheld[DAYS[1]], SchemaError)


def test_a_vendor_is_late_after_its_usual_delay_and_half_an_hour() -> None:
    for minutes, is_late in ((90, False), (120, False), (121, True), (60 * 23, True)):
        late = late_sessions(shown_after(minutes), CALENDAR, **DUE)
        assert late.height == (len(DAYS) if is_late else 0), minutes
    late = late_sessions(shown_after(150), CALENDAR, **DUE)
    assert late.row(0, named=True) == {
        "session": DAYS[0],
        "symbol": "*",
        "gate": LATE_VENDOR,
        "severity": "warn",
        "expected": "by 2024-01-01T16:30+00:00",
        "found": "2024-01-01T17:30+00:00, 60 min late",
    }


def test_what_comes_after_the_next_close_is_a_backfill() -> None:
    assert late_sessions(shown_after(60 * 24 * 30), CALENDAR, **DUE).is_empty()


def test_neither_a_correction_nor_a_straggler_makes_a_session_late(ws: Workspace) -> None:
    punctual = shown_after(60)
    corrected = shown_after(300, bars=BARS.with_columns(close=pl.col("close") + 0.01))
    both = pl.concat([punctual, corrected]).sort(RAW_BARS.key)
    assert late_sessions(both, CALENDAR, **DUE).is_empty()
    straggler = pl.concat([punctual.filter(~ONE_BAR), shown_after(300).filter(ONE_BAR)])
    assert late_sessions(straggler.sort(RAW_BARS.key), CALENDAR, **DUE).is_empty()


def test_asking_again_finds_the_same(ws: Workspace) -> None:
    ingest(ws, shown_after(150))
    first = ws.store.read(VENDOR_FINDINGS, DAYS)
    ingest(ws, shown_after(600))
    assert first.height == len(DAYS)
    assert ws.store.read(VENDOR_FINDINGS, DAYS).equals(first)


def test_what_was_made_from_other_findings_is_withdrawn(ws: Workspace) -> None:
    ingest(ws, BARS)
    for day in DAYS:
        ws.store.write(JUDGED, day, JUDGED.empty())
    ingest(ws, CONTRADICTED, derived=("judged",))
    assert ws.store.partitions("judged") == frozenset(DAYS) - {DAYS[1]}
    ingest(ws, CONTRADICTED, derived=("judged",))
    assert ws.store.partitions("judged") == frozenset(DAYS) - {DAYS[1]}


@pytest.mark.parametrize("rows", [TWICE, CONTRADICTED, BARS], ids=["twice", "contradicted", "late"])
def test_a_session_alone_is_found_the_same_as_in_a_range(rows: pl.DataFrame) -> None:
    together, alone = make_workspace(DAYS[0]), make_workspace(DAYS[0])
    panel = SourcePanel([RecordingSource(bar_rows=rows)])
    ingest_bars(together, panel, DAYS, latest_closed=DAYS[-1])
    for day in DAYS:
        ingest_bars(alone, panel, [day], latest_closed=DAYS[-1])
    for schema in (RAW_BARS, VENDOR_FINDINGS):
        assert alone.store.read(schema, DAYS).equals(together.store.read(schema, DAYS))


def test_what_was_wrong_with_an_answer_stands_while_another_source_is_asked(ws: Workspace) -> None:
    first = SwitchedSource(bar_rows=CONTRADICTED.with_columns(source=pl.lit("first")), name="first")
    second = SwitchedSource(bar_rows=BARS.with_columns(source=pl.lit("second")), name="second")
    for first.error in (None, SourceUnavailable("down")):
        ingest_bars(
            ws, watched(first, second, cross_check_sessions=0), DAYS, latest_closed=DAYS[-1]
        )
        assert found(ws) == [(DAYS[1], "000001.SZ", CONFLICTING_ROW, "quarantine")]
    assert ws.store.read(RAW_BARS, DAYS).get_column("source").unique().to_list() == ["first"]


@given(st.lists(st.integers(0, BARS.height - 1), max_size=20), st.lists(st.booleans(), max_size=20))
def test_what_is_kept_is_unique_and_was_said(picks: list[int], altered: list[bool]) -> None:
    extra = [
        BARS[pick].with_columns(volume=pl.col("volume") + 1.0) if alter else BARS[pick]
        for pick, alter in zip(picks, altered, strict=False)
    ]
    rows = pl.concat([BARS, *extra]).sort(RAW_BARS.key)
    kept = drop_repeats(rows).rows
    check_frame(kept, RAW_BARS)
    assert kept.join(BARS, on=list(RAW_BARS.columns), how="anti").is_empty()
    lost = {pick for pick, alter in zip(picks, altered, strict=False) if alter}
    assert kept.height == BARS.height - len(lost)
