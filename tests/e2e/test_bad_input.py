"""Bad input through the graph: a clear error, nothing half-written, downstream not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from tests.support.deployment import Deployment, deployment, failures
from tradegraph_dagster.domain.core.errors import StoreUnavailable
from tradegraph_dagster.jobs import BARS

DAYS = (date(2023, 1, 3), date(2023, 1, 4), date(2023, 1, 5), date(2023, 1, 6))
BAD = DAYS[2]


@contextmanager
def _faulty(folder: Path, *faults: tuple) -> Iterator[Deployment]:
    with deployment(folder, faults=list(faults)) as on:
        yield on


def _some_symbol(folder: Path) -> str:
    """A name that trades on the bad session."""
    with deployment(folder) as on:
        bars = on.desk.bar_sources.sources[0].bars([BAD])
        return str(bars.filter(~bars["is_suspended"])["symbol"][0])


def _made(on: Deployment, table: str) -> set[date]:
    return set(on.desk.workspace.store.partitions(table))


def test_a_bar_with_high_below_low_blocks_its_session_and_names_it(tmp_path: Path) -> None:
    symbol = _some_symbol(tmp_path / "clean")
    with _faulty(tmp_path / "bad", ("high_below_low", BAD, symbol)) as on:
        result = on.run("bars", DAYS)
        words = failures(result)
        assert not result.success
        assert "cn/validated_bars" in words
        assert f"session={BAD}" in words
        assert symbol in words
        assert "ohlc_order" in words
        assert "expected" in words
        assert _made(on, "validated_bars") == {*DAYS} - {BAD}
        assert _made(on, "bar_findings") == {*DAYS}
        later = on.run("features", DAYS)
        assert not later.success
        assert f"validated_bars {BAD}" in failures(later)
        assert _made(on, "features") == {DAYS[0], DAYS[1]}


def test_an_empty_answer_is_an_error_never_an_empty_day(tmp_path: Path) -> None:
    with _faulty(tmp_path, ("empty_session", BAD)) as on:
        result = on.run("bars", DAYS)
        words = failures(result)
        assert not result.success
        assert "cn/raw_bars" in words
        assert f"session={BAD}" in words
        assert _made(on, "raw_bars") == {*DAYS} - {BAD}
        assert _made(on, "adjusted_bars") == set()  # a step after a failed one does not run
        materialised = on.instance.get_materialized_partitions(on.definitions_key("raw_bars"))
        assert materialised == {str(day) for day in DAYS if day != BAD}


def test_an_unknown_symbol_prefix_names_session_and_symbol(tmp_path: Path) -> None:
    with _faulty(tmp_path, ("unknown_symbol", BAD)) as on:
        words = failures(on.run("bars", DAYS))
        assert f"session={BAD}" in words
        assert "symbol=" in words
        assert BAD not in _made(on, "raw_bars")


def test_a_missing_session_withholds_what_needs_it(tmp_path: Path) -> None:
    with deployment(tmp_path) as on:
        on.run_ok("bars", DAYS)
        on.desk.workspace.store.remove("validated_bars", DAYS[1])
        words = failures(on.run("features", DAYS))
        assert "cn/features" in words
        assert f"waits for validated_bars {DAYS[1]}" in words
        assert _made(on, "features") == {DAYS[0]}


def test_a_corrupt_file_is_named_and_stops_only_what_reads_it(tmp_path: Path) -> None:
    with deployment(tmp_path) as on:
        on.run_ok("bars", DAYS)
        path = on.settings.lake_dir / "cn" / "validated_bars" / f"{DAYS[1]}.parquet"
        path.write_bytes(path.read_bytes()[:100])
        result = on.run("features", DAYS)
        words = failures(result)
        assert not result.success
        assert str(path) in words
        assert f"session={DAYS[1]}" in words
        assert _made(on, "features") == set()
        on.run_ok("bars", DAYS)
        on.run_ok("features", DAYS)


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(tmp_path) as on:
        on.run_ok("bars", DAYS[:2])
        before = {
            (table, day): on.desk.workspace.store.fingerprint(table, day)
            for table in BARS
            for day in DAYS[:2]
        }
        store = on.desk.workspace.store
        write = type(store).write

        def full(self, schema, partition, frame):
            if schema.name == "adjusted_bars" and partition == BAD:
                raise StoreUnavailable(
                    "cannot write: No space left on device; nothing was changed",
                    table=schema.name,
                    session=partition,
                )
            return write(self, schema, partition, frame)

        monkeypatch.setattr(type(store), "write", full)
        result = on.run("bars", DAYS)
        words = failures(result)
        assert not result.success
        assert "cn/adjusted_bars" in words
        assert f"session={BAD}" in words
        assert "No space left" in words
        assert _made(on, "validated_bars") == {*DAYS[:2]}
        monkeypatch.undo()
        on.run_ok("bars", DAYS)
        after = {key: store.fingerprint(*key) for key in before}
        assert after == before
        assert not list(on.settings.lake_dir.rglob("*.tmp"))
