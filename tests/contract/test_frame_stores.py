"""Every FrameStore keeps partitions whole, checked and addressed by content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars, weekdays
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.errors import CorruptPartition, MissingSession, SchemaError
from tradegraph_dagster.domain.core.frame_store import FrameStore, split_ready, write_sessions
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS

DAYS = weekdays(3)
BARS = make_adjusted_bars(DAYS)


@pytest.fixture(params=["memory", "parquet"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FrameStore:
    return MemoryFrameStore() if request.param == "memory" else ParquetFrameStore(tmp_path)


def test_a_partition_reads_back_equal(store: FrameStore) -> None:
    write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    assert store.read(ADJUSTED_BARS, DAYS).equals(BARS)
    assert store.partitions("adjusted_bars") == frozenset(DAYS)


def test_reading_keeps_the_order_asked_for(store: FrameStore) -> None:
    write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    backwards = store.read(ADJUSTED_BARS, DAYS[::-1])
    assert backwards["session"].unique(maintain_order=True).to_list() == list(DAYS[::-1])


WITHOUT_VWAP = replace(
    ADJUSTED_BARS,
    columns={name: one for name, one in ADJUSTED_BARS.columns.items() if name != "vwap"},
)


@pytest.mark.parametrize("older", [DAYS, DAYS[:1], DAYS[1:]], ids=["all", "first", "last"])
def test_a_nullable_column_that_came_later_reads_as_null(
    store: FrameStore, older: tuple[date, ...]
) -> None:
    write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    is_older = pl.col("session").is_in(list(older))
    write_sessions(store, WITHOUT_VWAP, BARS.filter(is_older).drop("vwap"), older)
    expected = BARS.with_columns(pl.when(~is_older).then("vwap").alias("vwap"))
    assert store.read(ADJUSTED_BARS, DAYS).equals(expected)
    assert store.read(ADJUSTED_BARS, older[:1]).equals(
        expected.filter(pl.col("session") == older[0])
    )


def test_an_older_partition_takes_the_new_column_when_it_is_written_again(
    store: FrameStore,
) -> None:
    before = write_sessions(store, WITHOUT_VWAP, BARS.drop("vwap"), DAYS)
    after = write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    assert store.fingerprint("adjusted_bars", DAYS[0]) == after[0].fingerprint
    assert after[0].fingerprint != before[0].fingerprint
    assert store.read(ADJUSTED_BARS, DAYS).equals(BARS)


@pytest.mark.parametrize(
    ("rows", "asked"),
    [(BARS, DAYS), (BARS, DAYS[1:2]), (BARS.clear(), DAYS[1:2])],
    ids=["range", "alone", "without rows"],
)
@pytest.mark.parametrize(
    "absent",
    [("amount",), ("vwap", "amount"), ("symbol",)],
    ids=["required", "required and nullable", "key"],
)
def test_any_other_absent_column_is_a_corrupt_partition(
    tmp_path: Path, rows: pl.DataFrame, asked: tuple[date, ...], absent: tuple[str, ...]
) -> None:
    store = ParquetFrameStore(tmp_path)
    write_sessions(store, ADJUSTED_BARS, rows, DAYS)
    path = tmp_path / "adjusted_bars" / f"{DAYS[1]}.parquet"
    pl.read_parquet(path).drop(absent).write_parquet(path)
    with pytest.raises(CorruptPartition, match=r"session=2024-01-02"):
        store.read(ADJUSTED_BARS, asked)


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows.drop("vwap").rename({"close": "last"}),
        lambda rows: rows.drop("vwap").with_columns(extra=1),
        lambda rows: rows.drop("vwap").select(sorted(set(rows.columns) - {"vwap"})),
    ],
    ids=["renamed", "extra", "order"],
)
def test_a_partition_that_is_no_older_one_is_corrupt(
    tmp_path: Path, damage: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    store = ParquetFrameStore(tmp_path)
    write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    path = tmp_path / "adjusted_bars" / f"{DAYS[1]}.parquet"
    damage(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(CorruptPartition, match=r"session=2024-01-02"):
        store.read(ADJUSTED_BARS, DAYS)


def test_the_fingerprint_is_of_the_content(store: FrameStore) -> None:
    first = write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    again = write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    assert [part.fingerprint for part in first] == [part.fingerprint for part in again]
    assert first[0].fingerprint == store.fingerprint("adjusted_bars", DAYS[0])
    bumped = BARS.with_columns(pl.col("close") + 1e-9)
    changed = write_sessions(store, ADJUSTED_BARS, bumped, DAYS)
    assert changed[0].fingerprint != first[0].fingerprint


def test_a_session_without_rows_is_a_partition(store: FrameStore) -> None:
    written = write_sessions(store, ADJUSTED_BARS, BARS.clear(), DAYS)
    assert [part.rows for part in written] == [0, 0, 0]
    assert store.read(ADJUSTED_BARS, DAYS).is_empty()


def test_a_missing_partition_is_named(store: FrameStore) -> None:
    with pytest.raises(MissingSession, match=r"table=adjusted_bars session=2024-01-01"):
        store.read(ADJUSTED_BARS, DAYS)


@pytest.mark.parametrize(
    "bad",
    [
        BARS.drop("vwap"),
        BARS.with_columns(pl.col("sessions_listed").cast(pl.Int64)),
        BARS.with_columns(pl.lit(None, pl.String).alias("symbol")),
        pl.concat([BARS, BARS.tail(1)]),
        BARS.reverse(),
    ],
    ids=["column", "type", "null", "duplicate", "unsorted"],
)
def test_a_frame_that_does_not_fit_is_refused_and_nothing_is_written(
    store: FrameStore, bad: pl.DataFrame
) -> None:
    with pytest.raises(SchemaError, match="adjusted_bars"):
        store.write(ADJUSTED_BARS, DAYS[0], bad)
    assert store.partitions("adjusted_bars") == frozenset()


def test_sessions_out_of_order_are_refused_before_any_is_written(store: FrameStore) -> None:
    with pytest.raises(SchemaError, match="order of their sessions"):
        write_sessions(store, ADJUSTED_BARS, BARS.reverse(), DAYS)
    assert store.partitions("adjusted_bars") == frozenset()


def test_sessions_wait_for_exactly_the_inputs_they_lack(store: FrameStore) -> None:
    write_sessions(store, ADJUSTED_BARS, BARS.filter(pl.col("session") != DAYS[1]), DAYS[::2])
    ready, withheld = split_ready(
        store, {"adjusted_bars": lambda session: [session]}, DAYS, table="features"
    )
    assert ready == (DAYS[0], DAYS[2])
    assert list(withheld) == [DAYS[1]]
    assert withheld[DAYS[1]].session == date(2024, 1, 2)
    assert "adjusted_bars 2024-01-02" in str(withheld[DAYS[1]])


def test_a_removed_partition_is_gone_and_can_be_removed_again(store: FrameStore) -> None:
    write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    store.remove("adjusted_bars", DAYS[1])
    store.remove("adjusted_bars", DAYS[1])
    assert store.partitions("adjusted_bars") == {DAYS[0], DAYS[2]}


def test_a_session_that_must_wait_loses_the_partition_it_had(store: FrameStore) -> None:
    write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    needs = {"validated_bars": lambda session: [session]}
    split_ready(store, needs, [DAYS[1]], table="adjusted_bars")
    assert store.partitions("adjusted_bars") == {DAYS[0], DAYS[2]}


def test_a_partition_stored_under_another_version_is_not_read(store: FrameStore) -> None:
    old, new = (replace(ADJUSTED_BARS, version=version) for version in ("bars-1", "bars-2"))
    write_sessions(store, old, BARS, DAYS)
    assert store.read(old, DAYS).equals(BARS)
    for asked in (DAYS, DAYS[1:2]):
        with pytest.raises(CorruptPartition, match=r"expected values of bars-2, found .* bars-1"):
            store.read(new, asked)


def test_the_same_content_is_stored_anew_under_a_new_version(store: FrameStore) -> None:
    new = replace(ADJUSTED_BARS, version="bars-2")
    first = write_sessions(store, ADJUSTED_BARS, BARS, DAYS)
    with pytest.raises(CorruptPartition, match=r"no named version.*backfill --remake"):
        store.read(new, DAYS)
    again = write_sessions(store, new, BARS, DAYS)
    assert [part.fingerprint for part in first] == [part.fingerprint for part in again]
    assert store.read(new, DAYS).equals(BARS)


def test_a_missing_partition_of_a_version_is_named_as_missing(store: FrameStore) -> None:
    with pytest.raises(MissingSession, match=r"session=2024-01-01"):
        store.read(replace(ADJUSTED_BARS, version="bars-2"), DAYS)
