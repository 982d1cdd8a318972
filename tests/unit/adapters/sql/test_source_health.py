"""The health of sources outlives the process, and no update of it is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.ledgers import NOW, SqlPlace
from tradegraph_dagster.adapters.memory.source_health import MemorySourceHealth
from tradegraph_dagster.adapters.sql.source_health import SqlSourceHealth, open_source_health
from tradegraph_dagster.domain.core.errors import StoreUnavailable
from tradegraph_dagster.domain.market_data.health import DataKind, SourceHealth
from tradegraph_dagster.domain.market_data.ports import SourceHealthBook

WRITERS, EACH = 4, 10


def open_at(place: SqlPlace) -> SqlSourceHealth:
    return open_source_health(place.url, market=place.market)


def full(health: SourceHealth) -> SourceHealth:
    return replace(
        health,
        success=1 / 3,
        latency_seconds=12.5,
        completeness=0.1,
        agreement=0.7,
        consecutive_failures=6,
        opened_at=NOW,
        last_error="SourceUnavailable: 拒绝",
        updated_at=NOW + timedelta(microseconds=7),
    )


def one_more(health: SourceHealth) -> SourceHealth:
    return replace(health, consecutive_failures=health.consecutive_failures + 1)


def remembers(book: SourceHealthBook) -> None:
    assert book.read(DataKind.BARS) == {}
    kept = book.update("tushare", DataKind.BARS, full)
    assert kept == full(SourceHealth("tushare", DataKind.BARS))
    assert book.read(DataKind.BARS) == {"tushare": kept}
    assert book.read(DataKind.ACTIONS) == {}
    assert book.update("tushare", DataKind.BARS, one_more).consecutive_failures == 7


def test_memory_keeps_the_same_promises() -> None:
    remembers(MemorySourceHealth())


def test_what_is_stored_is_what_was_written(place: SqlPlace) -> None:
    remembers(open_at(place))
    again = open_at(place).read(DataKind.BARS)["tushare"]
    assert again == one_more(full(SourceHealth("tushare", DataKind.BARS)))


def test_markets_do_not_see_each_other(place: SqlPlace) -> None:
    open_at(place).update("tushare", DataKind.BARS, full)
    other = open_source_health(place.url, market=f"{place.market}x")
    assert other.read(DataKind.BARS) == {}


def test_no_update_is_lost_between_writers(place: SqlPlace) -> None:
    def write(_: int) -> None:
        book = open_at(place)
        for _ in range(EACH):
            book.update("tushare", DataKind.BARS, one_more)
        book.engine.dispose()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    stored = open_at(place).read(DataKind.BARS)["tushare"]
    assert stored.consecutive_failures == WRITERS * EACH


def test_a_change_that_fails_changes_nothing(place: SqlPlace) -> None:
    book = open_at(place)
    kept = book.update("tushare", DataKind.BARS, full)

    def broken(health: SourceHealth) -> SourceHealth:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        book.update("tushare", DataKind.BARS, broken)
    assert book.read(DataKind.BARS) == {"tushare": kept}


def test_a_database_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    book = open_source_health(f"sqlite:///{tmp_path}/nowhere/ledger.db", market="cn")
    with pytest.raises(StoreUnavailable):
        book.read(DataKind.BARS)
