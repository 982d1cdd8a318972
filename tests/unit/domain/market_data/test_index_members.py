"""Members of an index are written whole for each session, and stay first seen when they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from tests.support.make_bars import weekdays
from tests.support.make_market_data import make_workspace
from tradegraph_dagster.domain.core.errors import (
    MissingSession,
    SchemaError,
    SourceRefused,
    SourceSuspect,
    UnknownSymbol,
)
from tradegraph_dagster.domain.core.frame_store import StepReport
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.market_data.failover import SourcePanel
from tradegraph_dagster.domain.market_data.index_members import ingest_index_members
from tradegraph_dagster.domain.market_data.schema import INDEX_MEMBERS
from tradegraph_dagster.domain.markets.workspace import Workspace

DAYS = weekdays(3)
CODES = ("000300", "000905")
SYMBOLS = ("000001.SZ", "600000.SH")
SHOWN = datetime(2024, 6, 1, tzinfo=UTC)


def make_members(days: Sequence[date] = DAYS, *, shown: datetime = SHOWN) -> pl.DataFrame:
    rows = [
        (day, code, symbol, "recorded", shown)
        for day in days
        for code in CODES
        for symbol in SYMBOLS
    ]
    return conform_frame(
        pl.DataFrame(rows, schema=INDEX_MEMBERS.dtypes, orient="row"), INDEX_MEMBERS
    )


@dataclass
class RecordedMembers:
    """Serves members as they are, and refuses sessions it was not given."""

    rows: pl.DataFrame
    name: str = "recorded"
    known: Sequence[date] = DAYS
    asked: list[tuple[tuple[str, ...], tuple[date, ...]]] = field(default_factory=list)

    def index_members(self, index_codes: Sequence[str], sessions: Sequence[date]) -> pl.DataFrame:
        self.asked.append((tuple(index_codes), tuple(sessions)))
        for day in sessions:
            if day not in self.known:
                raise SourceRefused("not known", session=day)
        return self.rows.filter(pl.col("session").is_in(list(sessions)))


@pytest.fixture
def ws() -> Workspace:
    return make_workspace(DAYS[0])


def ingest(ws: Workspace, *sources: RecordedMembers, latest_closed: date = DAYS[-1]) -> StepReport:
    return ingest_index_members(
        ws, SourcePanel(sources), [*CODES, CODES[0]], DAYS, latest_closed=latest_closed
    )


def test_every_session_becomes_a_partition(ws: Workspace) -> None:
    source = RecordedMembers(make_members())
    report = ingest(ws, source)
    assert ws.store.read(INDEX_MEMBERS, DAYS).equals(make_members())
    assert source.asked == [(CODES, DAYS)]
    assert not report.withheld
    facts = report.written[0].facts
    assert (facts["indices"], facts["members"], facts["source"]) == (2, 4, "recorded")


def test_a_session_that_has_not_closed_is_never_asked_for(ws: Workspace) -> None:
    source = RecordedMembers(make_members())
    report = ingest(ws, source, latest_closed=DAYS[0])
    assert source.asked == [(CODES, DAYS[:1])]
    assert {type(error) for error in report.withheld.values()} == {MissingSession}
    assert sorted(report.withheld) == list(DAYS[1:])


def test_running_again_changes_nothing(ws: Workspace) -> None:
    first = ingest(ws, RecordedMembers(make_members()))
    later = make_members(shown=SHOWN + timedelta(days=30))
    again = ingest(ws, RecordedMembers(later))
    assert [one.fingerprint for one in again.written] == [one.fingerprint for one in first.written]


def test_a_new_member_is_known_from_when_it_was_shown(ws: Workspace) -> None:
    ingest(ws, RecordedMembers(make_members().filter(pl.col("symbol") == SYMBOLS[0])))
    ingest(ws, RecordedMembers(make_members(shown=SHOWN + timedelta(days=30))))
    known = ws.store.read(INDEX_MEMBERS, DAYS[:1]).group_by("symbol").agg(pl.col("known_at").min())
    assert dict(known.iter_rows()) == {SYMBOLS[0]: SHOWN, SYMBOLS[1]: SHOWN + timedelta(days=30)}


def test_a_session_without_one_of_the_indices_is_withheld(ws: Workspace) -> None:
    here = pl.col("session") == DAYS[1]
    rows = make_members().filter(~(here & (pl.col("index_code") == CODES[1])))
    report = ingest(ws, RecordedMembers(rows))
    assert list(report.withheld) == [DAYS[1]]
    assert isinstance(report.withheld[DAYS[1]], SourceSuspect)
    assert "000300, 000905, found those of 000300" in str(report.withheld[DAYS[1]])
    assert ws.store.partitions(INDEX_MEMBERS.name) == {DAYS[0], DAYS[2]}


def test_an_index_nobody_asked_for_is_withheld(ws: Workspace) -> None:
    stranger = make_members(DAYS[:1]).head(1).with_columns(index_code=pl.lit("399001"))
    rows = pl.concat([make_members(), stranger]).sort(INDEX_MEMBERS.key)
    assert list(ingest(ws, RecordedMembers(rows)).withheld) == [DAYS[0]]


def test_an_empty_session_an_unknown_symbol_and_a_member_twice_are_withheld(
    ws: Workspace,
) -> None:
    stranger = make_members(DAYS[1:2]).head(1).with_columns(symbol=pl.lit("999999.SH"))
    rows = pl.concat([make_members(DAYS[1:]), stranger, make_members(DAYS[2:])])
    report = ingest(ws, RecordedMembers(rows.sort(INDEX_MEMBERS.key)))
    kinds = {day: type(error) for day, error in report.withheld.items()}
    assert kinds == {DAYS[0]: SourceSuspect, DAYS[1]: UnknownSymbol, DAYS[2]: SchemaError}
    assert not report.written


def test_the_next_source_answers_what_the_first_refuses(ws: Workspace) -> None:
    current = RecordedMembers(make_members(), name="current", known=DAYS[-1:])
    report = ingest(ws, current, RecordedMembers(make_members()))
    assert {one.facts["source"] for one in report.written} == {"recorded"}


def test_a_refusal_of_the_only_source_is_raised_and_nothing_is_written(ws: Workspace) -> None:
    with pytest.raises(SourceRefused):
        ingest(ws, RecordedMembers(make_members(), known=DAYS[-1:]))
    assert not ws.store.partitions(INDEX_MEMBERS.name)
