"""The step writes what its window allows and withholds the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import ConfigError, MissingSession
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.features import step
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.schema import FEATURES
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS

ALPHA158 = load_feature_set("alpha158")
MARKET = PlainMarket(calendar=weekday_calendar(220))
DAYS = MARKET.calendar.sessions[10:]


class CountingStore(MemoryFrameStore):
    """Remembers how many partitions each read asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []

    def read(self, schema: FrameSchema, partitions: Sequence[date]) -> pl.DataFrame:
        self.reads.append(len(partitions))
        return super().read(schema, partitions)


def workspace(days: Sequence[date], *, first: date = DAYS[0]) -> Workspace:
    store = CountingStore()
    bars = make_adjusted_bars(days) if days else VALIDATED_BARS.empty()
    write_sessions(store, VALIDATED_BARS, bars, days)
    return Workspace(MARKET, store, first)


def test_history_starts_with_short_windows() -> None:
    ws = workspace(DAYS[:3])
    report = compute_features(ws, ALPHA158, DAYS[:3])
    assert [one.partition for one in report.written] == list(DAYS[:3])
    assert report.written[0].facts == {
        "missing_frac": round(75 / 158, 6),
        "feature_set": ALPHA158.version,
    }
    assert not report.withheld


def test_waits_for_every_session_of_the_window() -> None:
    ws = workspace([*DAYS[:5], *DAYS[6:80]])
    report = compute_features(ws, ALPHA158, [DAYS[4], DAYS[65], DAYS[66], DAYS[79], DAYS[80]])
    assert [one.partition for one in report.written] == [DAYS[4], DAYS[66], DAYS[79]]
    assert set(report.withheld) == {DAYS[65], DAYS[80]}
    assert isinstance(report.withheld[DAYS[65]], MissingSession)
    assert str(DAYS[5]) in str(report.withheld[DAYS[65]])


def test_chunks_and_single_sessions_write_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, chunked, single = (workspace(DAYS[:80]) for _ in range(3))
    wanted = DAYS[58:70]
    compute_features(whole, ALPHA158, wanted)
    monkeypatch.setattr(step, "LONGEST_CHUNK_SESSIONS", 5)
    compute_features(chunked, ALPHA158, wanted)
    for day in wanted[::4]:
        compute_features(single, ALPHA158, [day])
    expected = {day: whole.store.fingerprint(FEATURES, day) for day in wanted}
    assert {day: chunked.store.fingerprint(FEATURES, day) for day in wanted} == expected
    assert all(single.store.fingerprint(FEATURES, day) == expected[day] for day in wanted[::4])


def test_reads_each_partition_of_a_chunk_once_and_none_of_a_gap() -> None:
    ws = workspace(DAYS[:200])
    compute_features(ws, ALPHA158, [DAYS[70], DAYS[71], DAYS[190]])
    store = ws.store
    assert isinstance(store, CountingStore)
    assert store.reads == [1, 62, 61]


def test_nothing_ready_writes_nothing() -> None:
    report = compute_features(workspace([]), ALPHA158, DAYS[:2])
    assert not report.written
    assert set(report.withheld) == set(DAYS[:2])


def test_unknown_set_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no feature set 'alpha360'; there are: alpha158"):
        load_feature_set("alpha360")
