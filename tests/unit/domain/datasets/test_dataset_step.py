"""Labels wait for their future; a dataset is read back as it was written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars
from tests.support.plain_market import PlainMarket, weekday_calendar
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.errors import CorruptPartition, MissingSession
from tradegraph_dagster.domain.core.frame_store import write_sessions
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.datasets import step
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.datasets.step import label_sessions, load_dataset
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.step import compute_features
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

ALPHA158 = load_feature_set("alpha158")
MARKET = PlainMarket(calendar=weekday_calendar(40))
DAYS = MARKET.calendar.sessions
SPAN = LabelSpan.of_horizon(1)
SYMBOLS = ("000001.SZ", "300750.SZ", "600000.SH")


@pytest.fixture
def ws() -> Workspace:
    store = MemoryFrameStore()
    bars = make_adjusted_bars(DAYS[:20], SYMBOLS)
    write_sessions(store, VALIDATED_BARS, bars, [*DAYS[:10], *DAYS[11:20]])
    universe = bars.with_columns(is_member=pl.col("symbol") != SYMBOLS[1], mean_amount=pl.lit(1.0))
    write_sessions(store, UNIVERSE, conform_frame(universe, UNIVERSE), DAYS[:20])
    return Workspace(MARKET, store, DAYS[0])


def test_label_waits_for_its_session_its_entry_and_its_exit(ws: Workspace) -> None:
    report = label_sessions(ws, DAYS[:22], span=SPAN)
    made = [one.partition for one in report.written]
    assert made == [*DAYS[:8], *DAYS[11:18]]
    assert set(report.withheld) == {*DAYS[8:11], *DAYS[18:22]}
    assert all(isinstance(error, MissingSession) for error in report.withheld.values())
    assert report.written[0].facts == {"labelled": 3, "not_tradable": 0}


@pytest.mark.parametrize("horizon", [2, 5, 9])
def test_a_session_that_is_held_back_costs_three_labels_whatever_the_horizon(
    ws: Workspace, horizon: int
) -> None:
    span = LabelSpan.of_horizon(horizon)
    report = label_sessions(ws, DAYS[: 20 - span.exit], span=span)
    three = {10, 10 - span.entry, 10 - span.exit}
    assert set(report.withheld) == {DAYS[at] for at in three if 0 <= at < 20 - span.exit}
    made = ws.store.read(span.table, [one.partition for one in report.written])
    known = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
    bars = make_adjusted_bars(DAYS[:20], SYMBOLS)
    write_sessions(known.store, VALIDATED_BARS, bars, DAYS[:20])
    label_sessions(known, DAYS[: 20 - span.exit], span=span)
    assert made.equals(known.store.read(span.table, [one.partition for one in report.written]))


def test_each_horizon_is_made_when_its_own_span_has_closed(ws: Workspace) -> None:
    ws.store.write(VALIDATED_BARS, DAYS[10], make_adjusted_bars(DAYS[10:11], SYMBOLS))
    spans = [LabelSpan.of_horizon(horizon) for horizon in (1, 5, 12)]
    for span in spans:
        label_sessions(ws, DAYS[:22], span=span)
    assert [max(ws.store.partitions(span.table.name)) for span in spans] == [
        DAYS[17],
        DAYS[13],
        DAYS[6],
    ]
    for span in spans:
        alone = Workspace(MARKET, MemoryFrameStore(), DAYS[0])
        write_sessions(
            alone.store, VALIDATED_BARS, ws.store.read(VALIDATED_BARS, DAYS[:20]), DAYS[:20]
        )
        report = label_sessions(alone, DAYS[:22], span=span)
        made = {one.partition: one.fingerprint for one in report.written}
        assert made == {
            day: ws.store.fingerprint(span.table.name, day)
            for day in ws.store.partitions(span.table.name)
        }


def test_bars_that_are_withdrawn_take_the_labels_that_read_them(ws: Workspace) -> None:
    longer = LabelSpan.of_horizon(5)
    for span in (SPAN, longer):
        label_sessions(ws, DAYS[:4], span=span)
    ws.store.remove(VALIDATED_BARS.name, DAYS[6])
    for span in (SPAN, longer):
        label_sessions(ws, DAYS[:4], span=span)
    assert ws.store.partitions(SPAN.table.name) == set(DAYS[:4])
    # Sold on the sixth; those after it hold over it and read another close.
    assert ws.store.partitions(longer.table.name) == set(DAYS[1:4])


def test_not_traded_is_a_null_and_not_yet_known_is_no_partition(ws: Workspace) -> None:
    bars = ws.store.read(VALIDATED_BARS, DAYS[2:3]).with_columns(
        is_suspended=pl.col("symbol") == SYMBOLS[0]
    )
    ws.store.write(VALIDATED_BARS, DAYS[2], bars)
    report = label_sessions(ws, [DAYS[0], DAYS[19]], span=SPAN)
    assert report.written[0].facts == {"labelled": 2, "not_tradable": 0}
    labels = ws.store.read(SPAN.table, DAYS[:1])
    assert labels.filter(pl.col("label").is_null())["symbol"].to_list() == [SYMBOLS[0]]
    assert ws.store.partitions(SPAN.table.name) == {DAYS[0]}


def test_session_beyond_the_calendar_is_withheld_and_the_others_are_not(ws: Workspace) -> None:
    report = label_sessions(ws, [DAYS[0], DAYS[-1]], span=SPAN)
    assert [one.partition for one in report.written] == [DAYS[0]]
    assert list(report.withheld) == [DAYS[-1]]


def test_chunks_write_the_same_labels(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    label_sessions(ws, DAYS[:8], span=SPAN)
    whole = [ws.store.fingerprint(SPAN.table.name, day) for day in DAYS[:8]]
    monkeypatch.setattr(step, "CHUNK_SESSIONS", 3)
    label_sessions(ws, DAYS[:8], span=SPAN)
    assert [ws.store.fingerprint(SPAN.table.name, day) for day in DAYS[:8]] == whole


def test_dataset_holds_members_of_the_sessions(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_features(ws, ALPHA158, DAYS[:6])
    label_sessions(ws, DAYS[:6], span=SPAN)
    whole = load_dataset(ws, ALPHA158, DAYS[1:6], span=SPAN)
    assert whole.x.shape == (10, 158)
    assert set(whole.symbols.tolist()) == {SYMBOLS[0], SYMBOLS[2]}
    assert np.isfinite(whole.y).all()
    monkeypatch.setattr(step, "LOAD_SESSIONS", 2)
    assert load_dataset(ws, ALPHA158, DAYS[1:6], span=SPAN).x.tobytes() == whole.x.tobytes()


def test_dataset_needs_every_session(ws: Workspace) -> None:
    compute_features(ws, ALPHA158, DAYS[:6])
    label_sessions(ws, DAYS[:5], span=SPAN)
    with pytest.raises(MissingSession):
        load_dataset(ws, ALPHA158, DAYS[:6], span=SPAN)


def test_parquet_features_of_another_set_are_refused(ws: Workspace) -> None:
    other = replace(ALPHA158, definitions={"kmid": "(close - open) / open"})
    compute_features(ws, ALPHA158, DAYS[:2])
    label_sessions(ws, DAYS[:2], span=SPAN)
    with pytest.raises(CorruptPartition):
        load_dataset(ws, other, DAYS[:2], span=SPAN)


def test_features_of_another_formula_under_the_same_names_are_refused(ws: Workspace) -> None:
    compute_features(ws, ALPHA158, DAYS[:2])
    label_sessions(ws, DAYS[:2], span=SPAN)
    other = replace(ALPHA158, definitions={**ALPHA158.definitions, "kmid": "close / open - 1"})
    with pytest.raises(CorruptPartition, match=r"session=.*backfill --remake"):
        load_dataset(ws, other, DAYS[:2], span=SPAN)
