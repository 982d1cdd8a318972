"""Audit chains in real databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.ledgers import ledger_with_tables
from tests.support.make_chain import KEY, START
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog
from tradegraph_dagster.adapters.sql.engine import open_engine

_chains = count()


@dataclass
class ChainPlace:
    """A chain nobody wrote to, and how to get at its table."""

    url: str
    ledger: Ledger

    @property
    def audit(self) -> SqlAuditLog:
        return SqlAuditLog(self.ledger)

    @property
    def is_sqlite(self) -> bool:
        return self.ledger.engine.dialect.name == "sqlite"

    def fill(self, entries: int) -> None:
        """Entries besides the first."""
        with self.ledger.writing() as act:
            for number in range(entries):
                act.append("event", user="ann", details={"n": number})

    def execute(self, statement: str) -> None:
        with self.ledger.engine.begin() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def chain_place(backend: str, folder: Path, **options: Any) -> Iterator[ChainPlace]:
    """A new file, or a new market in the shared server."""
    url = ledger_with_tables(backend, folder)
    market, clock = f"chain{next(_chains)}", FixedClock(START)
    ledger = Ledger(open_engine(url), market, clock, KEY, **options)
    yield ChainPlace(url, ledger)
    ledger.engine.dispose()
