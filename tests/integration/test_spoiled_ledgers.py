"""The fault matrix's ways to let a ledger fail, and what the ledger makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cases import seed_to_case
from tests.faults.places import HOMES
from tests.support.ledgers import NOW
from tests.support.make_chain import KEY, KEYS
from tests.support.postgres import new_postgres_url
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, create_schema, open_ledger
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.core.errors import StoreUnavailable


class Spoiled:
    """A ledger without a row, as a process that meets a fault has it, and as the next one has."""

    def __init__(self, home: str, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/ledger.db" if home == "sqlite" else new_postgres_url()
        create_schema(self.url)
        self.struck = folder / "struck"
        self._home = HOMES[home](self.url)
        self.writer, self.next = self._open(), self._open()

    def spoil(self, **case: Any) -> None:
        self._home.spoil(self.writer.engine, replace(seed_to_case(0), **case), self.struck)

    def events(self) -> list[str]:
        """What happened after the chain began."""
        entries = list(self.next.audit.entries())
        assert find_damage(entries, KEYS) is None
        return [entry.event for entry in entries[1:]]

    def _open(self) -> SqlLedger:
        return open_ledger(self.url, market="us", clock=FixedClock(NOW), audit_key=KEY)


@pytest.fixture(params=sorted(HOMES))
def spoiled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spoiled]:
    made = Spoiled(request.param, tmp_path)
    yield made
    made.writer.close()
    made.next.close()


@pytest.mark.parametrize("is_late", [False, True])
def test_of_a_lost_commit_no_more_is_said_than_is_known(spoiled: Spoiled, is_late: bool) -> None:
    spoiled.spoil(fault=20, nth_commit=2, is_late=is_late)
    spoiled.writer.audit.append("before", user="ann", details={})
    with pytest.raises(StoreUnavailable, match="nothing was half-written"):
        spoiled.writer.audit.append("lost", user="ann", details={})
    assert spoiled.struck.exists()
    # The lock of the next write comes after whatever the server still had to do.
    spoiled.writer.audit.append("after", user="ann", details={})
    assert spoiled.events() == ["before", *(["lost"] if is_late else []), "after"]


def test_a_full_disk_refuses_a_write_whole_and_only_here(spoiled: Spoiled) -> None:
    spoiled.spoil(fault=24, spare_pages=1, spare_rows=5)
    written: list[str] = []
    with pytest.raises(StoreUnavailable, match="nothing was half-written"):
        _write_on(spoiled.writer, written)
    assert spoiled.struck.exists()
    assert written
    assert spoiled.events() == written
    spoiled.next.audit.append("room", user="ann", details={})
    assert spoiled.events()[-1] == "room"


def _write_on(ledger: SqlLedger, written: list[str]) -> None:
    for number in range(1_000):
        written.append(ledger.audit.append(f"event {number}", user="ann", details={}).event)
