"""Ingesting asks only for what can exist, and writes only what can be true."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tests.support.make_market_data import (
    RecordingSource,
    make_instruments_of,
    make_raw_bars,
    make_workspace,
)
from tradegraph_dagster.domain.core.errors import (
    MissingSession,
    SchemaError,
    SourceSuspect,
    UnknownSymbol,
)
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.schema import INSTRUMENTS, RAW_BARS
from tradegraph_dagster.domain.market_data.step import ingest_bars, ingest_instruments
from tradegraph_dagster.domain.markets.workspace import Workspace

DAYS = weekdays(5)
BARS = make_raw_bars(DAYS)
ONE_BAR = (pl.col("session") == DAYS[1]) & (pl.col("symbol") == "000001.SZ")


def bars_of(
    ws: Workspace,
    source: RecordingSource,
    sessions: Sequence[date] = DAYS,
    *,
    latest_closed: date = DAYS[-1],
) -> StepReport:
    """The report of `raw_bars`."""
    return ingest_bars(ws, SourcePanel([source]), sessions, latest_closed=latest_closed)[0]


def instruments_of(ws: Workspace, source: RecordingSource) -> StepReport:
    return ingest_instruments(ws, SourcePanel([source]), DAYS, latest_closed=DAYS[-1])


@pytest.fixture
def ws() -> Workspace:
    return make_workspace(DAYS[0])


def test_every_session_becomes_a_partition(ws: Workspace) -> None:
    source = RecordingSource(make_instruments_of(BARS), BARS)
    bars = bars_of(ws, source)
    instruments = instruments_of(ws, source)
    assert [part.partition for part in bars.written] == list(DAYS)
    assert [part.partition for part in instruments.written] == list(DAYS)
    assert not bars.withheld
    assert not instruments.withheld
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS)
    assert bars.written[0].facts == {
        "symbols": 2,
        "suspended": 0,
        "corrections": 0,
        "source": "recorded",
        "failed_over_from": "none",
        "score": 1.0,
    }


def test_a_session_that_has_not_closed_is_never_asked_for(ws: Workspace) -> None:
    source = RecordingSource(bar_rows=BARS)
    report = bars_of(ws, source, latest_closed=DAYS[2])
    assert source.asked == list(DAYS[:3])
    assert list(report.withheld) == list(DAYS[3:])
    assert isinstance(report.withheld[DAYS[3]], MissingSession)
    assert str(DAYS[3]) in str(report.withheld[DAYS[3]])
    assert str(DAYS[2]) in str(report.withheld[DAYS[3]])


def test_a_closed_day_is_never_asked_for(ws: Workspace) -> None:
    source = RecordingSource(bar_rows=BARS)
    saturday = DAYS[-1] + timedelta(days=1)
    report = bars_of(ws, source, [saturday], latest_closed=saturday)
    assert source.asked == []
    assert isinstance(report.withheld[saturday], MissingSession)


@pytest.mark.parametrize("missing", [DAYS[:1], DAYS[1:3], DAYS])
def test_a_session_without_rows_is_suspect_and_the_others_are_written(
    ws: Workspace, missing: tuple
) -> None:
    source = RecordingSource(
        instrument_rows=make_instruments_of(BARS).filter(~pl.col("session").is_in(list(missing))),
        bar_rows=BARS.filter(~pl.col("session").is_in(list(missing))),
    )
    for ingest in (bars_of, instruments_of):
        report = ingest(ws, source)
        assert sorted(report.withheld) == list(missing)
        assert all(isinstance(error, SourceSuspect) for error in report.withheld.values())
        assert {part.partition for part in report.written} == set(DAYS) - set(missing)


def test_an_unknown_symbol_withholds_its_session_only(ws: Workspace) -> None:
    stranger = BARS.filter(ONE_BAR).with_columns(symbol=pl.lit("999999.SH"))
    rows = pl.concat([BARS, stranger]).sort(RAW_BARS.key)
    source = RecordingSource(make_instruments_of(rows), rows)
    for ingest in (bars_of, instruments_of):
        report = ingest(ws, source)
        assert list(report.withheld) == [DAYS[1]]
        error = report.withheld[DAYS[1]]
        assert isinstance(error, UnknownSymbol)
        assert (error.session, error.symbol) == (DAYS[1], "999999.SH")
        assert len(report.written) == 4


def test_a_board_the_market_does_not_give_is_suspect(ws: Workspace) -> None:
    wrong = pl.when(ONE_BAR).then(pl.lit("star")).otherwise("board")
    source = RecordingSource(make_instruments_of(BARS).with_columns(board=wrong))
    report = instruments_of(ws, source)
    assert list(report.withheld) == [DAYS[1]]
    assert "expected board main, found star" in str(report.withheld[DAYS[1]])


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (BARS.drop("amount"), "amount"),
        (BARS.with_columns(pl.col("volume").cast(pl.Int64)), "volume"),
        (BARS.with_columns(surprise=1), "surprise"),
    ],
)
def test_other_columns_are_refused_by_name(ws: Workspace, bad: pl.DataFrame, named: str) -> None:
    with pytest.raises(SchemaError, match=named) as caught:
        bars_of(ws, RecordingSource(bar_rows=bad))
    assert "recorded" in str(caught.value)
    assert caught.value.session == DAYS[0]
    assert ws.store.partitions(RAW_BARS.name) == frozenset()


def test_an_incomplete_row_withholds_its_session_only(ws: Workspace) -> None:
    holed = BARS.with_columns(volume=pl.when(~ONE_BAR).then("volume"))
    report = bars_of(ws, RecordingSource(bar_rows=holed))
    assert list(report.withheld) == [DAYS[1]]
    assert isinstance(report.withheld[DAYS[1]], SchemaError)
    assert len(report.written) == 4


def test_rows_of_a_session_nobody_asked_for_are_suspect(ws: Workspace) -> None:
    source = RecordingSource()
    source.bars = lambda sessions, symbols=None: BARS  # type: ignore[method-assign]
    with pytest.raises(SourceSuspect, match="also answered"):
        bars_of(ws, source, DAYS[:2])


def test_a_rerun_changes_no_fingerprint(ws: Workspace) -> None:
    first = bars_of(ws, RecordingSource(bar_rows=BARS))
    later = make_raw_bars(DAYS, known_after_hours=30)
    again = bars_of(ws, RecordingSource(bar_rows=later))
    assert [part.fingerprint for part in first.written] == [
        part.fingerprint for part in again.written
    ]


def test_a_correction_is_a_new_version_beside_the_old(ws: Workspace) -> None:
    bars_of(ws, RecordingSource(bar_rows=BARS))
    better = BARS.with_columns(
        close=pl.when(ONE_BAR).then(pl.col("close") + 0.01).otherwise("close"),
        known_at=pl.col("known_at") + timedelta(hours=1),
    )
    report = bars_of(ws, RecordingSource(bar_rows=better))
    assert [part.facts["corrections"] for part in report.written] == [0, 1, 0, 0, 0]
    stored = ws.store.read(RAW_BARS, DAYS)
    assert stored.height == BARS.height + 1
    assert stored.filter(ONE_BAR)["close"].to_list() == [
        BARS.filter(ONE_BAR)["close"].item(),
        better.filter(ONE_BAR)["close"].item(),
    ]


@pytest.mark.parametrize(
    ("column", "withdrawn"), [("close", DAYS[1:]), ("volume", DAYS[1:2]), ("source", ())]
)
def test_what_was_made_of_a_bar_is_withdrawn_when_it_is_corrected(
    ws: Workspace, column: str, withdrawn: Sequence[date]
) -> None:
    """The close is handed on to later sessions, the volume is not."""
    bars_of(ws, RecordingSource(bar_rows=BARS))
    for day in DAYS:
        ws.store.write(ADJUSTED_BARS, day, ADJUSTED_BARS.empty())
    value = pl.lit("other") if column == "source" else pl.col(column) + 1
    better = BARS.with_columns(
        pl.when(ONE_BAR).then(value).otherwise(column).alias(column),
        known_at=pl.col("known_at") + timedelta(hours=1),
    )
    panel = SourcePanel([RecordingSource(bar_rows=better)])
    carried = [ADJUSTED_BARS.name]
    ingest_bars(ws, panel, DAYS, latest_closed=DAYS[-1], carried=carried)
    assert ws.store.partitions(ADJUSTED_BARS.name) == set(DAYS) - set(withdrawn)
    ws.store.write(ADJUSTED_BARS, DAYS[1], ADJUSTED_BARS.empty())
    ingest_bars(ws, panel, DAYS, latest_closed=DAYS[-1], carried=carried)
    assert DAYS[1] in ws.store.partitions(ADJUSTED_BARS.name), "nothing new was said"


def test_a_change_that_does_not_claim_to_be_newer_is_suspect(ws: Workspace) -> None:
    bars_of(ws, RecordingSource(bar_rows=BARS))
    changed = BARS.with_columns(close=pl.when(ONE_BAR).then(99.0).otherwise("close"))
    report = bars_of(ws, RecordingSource(bar_rows=changed))
    assert list(report.withheld) == [DAYS[1]]
    assert isinstance(report.withheld[DAYS[1]], SourceSuspect)
    assert report.withheld[DAYS[1]].symbol == "000001.SZ"
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS)


def test_a_bar_that_vanishes_from_the_answer_stays_stored(ws: Workspace) -> None:
    bars_of(ws, RecordingSource(bar_rows=BARS))
    shorter = RecordingSource(bar_rows=BARS.filter(~ONE_BAR))
    bars_of(ws, shorter)
    assert ws.store.read(RAW_BARS, DAYS).equals(BARS)


def test_nothing_asked_is_nothing_done(ws: Workspace) -> None:
    source = RecordingSource()
    assert ingest_instruments(ws, SourcePanel([source]), [], latest_closed=DAYS[-1]).written == ()
    assert source.asked == []
    assert ws.store.partitions(INSTRUMENTS.name) == frozenset()
