"""The audit chain in a table, and the transactions that extend it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from tradegraph_dagster.adapters.sql.engine import reading, writing
from tradegraph_dagster.adapters.sql.tables import AUDIT_ENTRIES
from tradegraph_dagster.domain.audit.canonical import canonical_json
from tradegraph_dagster.domain.audit.chain import next_entry
from tradegraph_dagster.domain.audit.schema import AuditEntry
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import InvariantBroken

GENESIS_EVENT = "genesis"
SYSTEM = "system"
_ROWS_A_FETCH = 1000
_COLUMNS = [column for column in AUDIT_ENTRIES.columns if column.name != "market"]


@dataclass(frozen=True)
class Ledger:
    """One market's share of a database, and what its audit entries are made with."""

    engine: Engine
    market: str
    clock: Clock
    audit_key: bytes

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with; raises StoreUnavailable."""
        with reading(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Act]:
        """One transaction for rows and their audit entries; raises StoreUnavailable."""
        with writing(self.engine, self.market) as connection:
            yield Act(self, connection)


@dataclass(frozen=True)
class Act:
    """A transaction that is open: write the rows, then say what was done."""

    ledger: Ledger
    connection: Connection

    def append(self, event: str, *, details: Mapping[str, Any], user: str = SYSTEM) -> AuditEntry:
        """Append one entry in this transaction; the first of a chain names its market."""
        head = read_head(self.connection, self.ledger.market)
        if head is None:
            genesis = {"market": self.ledger.market, "format": "tg-audit-v1"}
            head = self._insert(None, GENESIS_EVENT, SYSTEM, genesis)
        return self._insert(head, event, user, details)

    def _insert(
        self, head: AuditEntry | None, event: str, user: str, details: Mapping[str, Any]
    ) -> AuditEntry:
        entry = next_entry(
            head,
            event=event,
            user=user,
            details=details,
            at=self.ledger.clock.now(),
            key=self.ledger.audit_key,
        )
        row = asdict(entry) | {
            "market": self.ledger.market,
            "details": canonical_json(entry.details),
        }
        self.connection.execute(insert(AUDIT_ENTRIES).values(row))
        return entry


class SqlAuditLog:
    """An AuditLog of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def append(self, event: str, *, user: str, details: Mapping[str, Any]) -> AuditEntry:
        """Append one entry in its own transaction."""
        with self._ledger.writing() as act:
            return act.append(event, user=user, details=details)

    def entries(self) -> Iterator[AuditEntry]:
        """All entries by `seq`, streamed; what cannot be parsed comes as damage to be found."""
        query = (
            select(*_COLUMNS)
            .where(AUDIT_ENTRIES.c.market == self._ledger.market)
            .order_by(AUDIT_ENTRIES.c.seq)
            .execution_options(yield_per=_ROWS_A_FETCH)
        )
        with self._ledger.reading() as connection:
            for row in connection.execute(query):
                yield _to_entry(row)

    def head(self) -> AuditEntry | None:
        """The newest entry."""
        with self._ledger.reading() as connection:
            return read_head(connection, self._ledger.market)


def read_head(connection: Connection, market: str) -> AuditEntry | None:
    """The newest entry that the connection sees."""
    query = (
        select(*_COLUMNS)
        .where(AUDIT_ENTRIES.c.market == market)
        .order_by(AUDIT_ENTRIES.c.seq.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _to_entry(row)


def _to_entry(row: Row[Any]) -> AuditEntry:
    fields = row._asdict()
    return AuditEntry(**{**fields, "details": _parse_details(fields["details"])})


def _parse_details(stored: str) -> Mapping[str, Any]:
    """The details, or a stand-in that no hash fits when the text is not what was written."""
    try:
        parsed = json.loads(stored)
        if isinstance(parsed, dict) and canonical_json(parsed) == stored:
            return parsed
    except (ValueError, RecursionError, InvariantBroken):
        pass
    return {"unreadable": stored}
