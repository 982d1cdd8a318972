"""What only files can suffer: full disks, torn and foreign files, crashes before the rename."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from pathlib import Path

import polars as pl
import pytest

from tests.support.make_bars import make_adjusted_bars, weekdays
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.errors import CorruptPartition, StoreUnavailable
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS

DAYS = weekdays(2)
OLD = make_adjusted_bars(DAYS[:1])
NEW = make_adjusted_bars(DAYS[:1], [f"{number:06d}.SZ" for number in range(1, 400)], seed=1)


def _write_with_a_full_disk(folder: Path, answer: multiprocessing.Queue) -> None:
    # A file-size limit makes write() fail part-way, as a full disk does.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        ParquetFrameStore(folder).write(ADJUSTED_BARS, DAYS[0], NEW)
    except StoreUnavailable as error:
        answer.put((error.action.value, str(error), error.session, error.table))


def test_a_full_disk_leaves_the_old_partition_and_no_rubbish(tmp_path: Path) -> None:
    store = ParquetFrameStore(tmp_path)
    store.write(ADJUSTED_BARS, DAYS[0], OLD)
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_write_with_a_full_disk, args=(tmp_path, answer))
    process.start()
    action, message, session, table = answer.get(timeout=60)
    process.join()
    assert (action, session, table) == ("retry", DAYS[0], "adjusted_bars")
    assert "nothing was changed" in message
    assert store.read(ADJUSTED_BARS, DAYS[:1]).equals(OLD)
    assert [path.name for path in (tmp_path / "adjusted_bars").iterdir()] == ["2024-01-01.parquet"]


@pytest.mark.parametrize(
    "content", [b"", b"PAR1 not really", OLD.write_json().encode()], ids=["empty", "torn", "json"]
)
def test_a_corrupt_file_names_path_table_and_session(tmp_path: Path, content: bytes) -> None:
    store = ParquetFrameStore(tmp_path)
    store.write(ADJUSTED_BARS, DAYS[0], OLD)
    path = tmp_path / "adjusted_bars" / "2024-01-01.parquet"
    path.write_bytes(content)
    with pytest.raises(CorruptPartition) as caught:
        store.read(ADJUSTED_BARS, DAYS[:1])
    assert str(path) in str(caught.value)
    assert (caught.value.table, caught.value.session) == ("adjusted_bars", DAYS[0])
    assert store.write(ADJUSTED_BARS, DAYS[0], OLD)
    assert store.read(ADJUSTED_BARS, DAYS[:1]).equals(OLD)


def test_a_readable_file_of_another_shape_is_corrupt(tmp_path: Path) -> None:
    store = ParquetFrameStore(tmp_path)
    (tmp_path / "adjusted_bars").mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "adjusted_bars" / "2024-01-01.parquet")
    with pytest.raises(CorruptPartition, match="missing columns"):
        store.read(ADJUSTED_BARS, DAYS[:1])


def test_a_temporary_file_of_a_crashed_writer_is_no_partition(tmp_path: Path) -> None:
    store = ParquetFrameStore(tmp_path)
    store.write(ADJUSTED_BARS, DAYS[0], OLD)
    (tmp_path / "adjusted_bars" / ".2024-01-02.parquet.123.tmp").write_bytes(b"half")
    assert store.partitions("adjusted_bars") == frozenset(DAYS[:1])


def test_an_unchanged_partition_is_not_written_again(tmp_path: Path) -> None:
    store = ParquetFrameStore(tmp_path)
    store.write(ADJUSTED_BARS, DAYS[0], OLD)
    path = tmp_path / "adjusted_bars" / "2024-01-01.parquet"
    inode = path.stat().st_ino
    store.write(ADJUSTED_BARS, DAYS[0], OLD)
    assert path.stat().st_ino == inode


def test_a_file_damaged_inside_is_written_again(tmp_path: Path) -> None:
    store = ParquetFrameStore(tmp_path)
    store.write(ADJUSTED_BARS, DAYS[0], NEW)
    path = tmp_path / "adjusted_bars" / "2024-01-01.parquet"
    content = bytearray(path.read_bytes())
    content[40:400] = bytes(360)
    path.write_bytes(content)
    with pytest.raises(CorruptPartition):
        store.read(ADJUSTED_BARS, DAYS[:1])
    store.write(ADJUSTED_BARS, DAYS[0], NEW)
    assert store.read(ADJUSTED_BARS, DAYS[:1]).equals(NEW)
