"""The audit chain in a table, and the transactions that extend it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, LargeBinary, Row, cast, insert, select
from sqlalchemy.sql.elements import ColumnElement

from tradegraph_dagster.adapters.sql.engine import read_time, reading, writing
from tradegraph_dagster.adapters.sql.tables import AUDIT_ENTRIES
from tradegraph_dagster.domain.audit.chain import genesis_entry, next_entry
from tradegraph_dagster.domain.audit.journal import ENTRIES_A_LINE, line_for
from tradegraph_dagster.domain.audit.ports import CheckpointJournal
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.audit.schema import AuditEntry
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import StoreError
from tradegraph_dagster.domain.core.ids import SYSTEM
from tradegraph_dagster.domain.core.texts import clean_text

logger = logging.getLogger(__name__)

# As the columns of entries and of rows hold it.
LONGEST_ACTOR = 128
_ROWS_A_FETCH = 1000
# In the order of AuditEntry.
_TEXTS = ("timestamp", "event", "user", "details", "prev_hash", "hash", "signature", "key_id")


@dataclass(frozen=True)
class Ledger:
    """One market's share of a database, and what its audit entries are made with.

    Attributes:
        engine: The database.
        market: Name of the market.
        clock: Stamps entries.
        lease_clock: What leases age by; None for the database's own clock, which is the same for
            all who use it.
        audit_key: Signs entries.
        redactor: Takes secrets out of entries; rows that hold texts from outside go through it too.
        journal: Where the first and every 1000th entry are written down outside the database.
    """

    engine: Engine
    market: str
    clock: Clock
    audit_key: bytes = field(repr=False)
    redactor: Redactor = field(default_factory=Redactor)
    journal: CheckpointJournal | None = None
    lease_clock: Clock | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with; raises StoreUnavailable."""
        with reading(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Act]:
        """One transaction for rows and their audit entries; raises StoreUnavailable."""
        with writing(self.engine, self.market) as connection:
            act = Act(self, connection)
            yield act
        # An entry that was rolled back must never be written down as seen.
        for entry in act.appended:
            if entry.seq == 0 or (entry.seq + 1) % ENTRIES_A_LINE == 0:
                self._write_down(entry)

    def clean(self, text: str) -> str:
        """A text from outside as a row may hold it: without secrets and what no store takes."""
        return clean_text(str(self.redactor(text)))

    def _write_down(self, entry: AuditEntry) -> None:
        """Put a committed entry into the journal; the end of the run makes up for a failure."""
        if self.journal is None:
            return
        try:
            genesis = next(SqlAuditLog(self).entries())
            self.journal.extend(
                lambda lines: line_for(
                    entry, lines, genesis=genesis, key=self.audit_key, at=self.clock.now()
                )
            )
        except StoreError:
            # The act is done: failing it now would have it done again.
            logger.exception("audit checkpoint not written entries=%d", entry.seq + 1)


@dataclass(frozen=True)
class Act:
    """A transaction that is open: write the rows, then say what was done."""

    ledger: Ledger
    connection: Connection
    appended: list[AuditEntry] = field(default_factory=list)

    def lease_time(self) -> datetime:
        """The instant by the clock that leases age by."""
        clock = self.ledger.lease_clock
        return clock.now() if clock is not None else read_time(self.connection)

    def append(self, event: str, *, details: Mapping[str, Any], user: str = SYSTEM) -> AuditEntry:
        """Append one entry in this transaction; the first of a chain names its market."""
        ledger = self.ledger
        head = self.appended[-1] if self.appended else read_head(self.connection, ledger.market)
        if head is None:
            now = ledger.clock.now()
            has_journal = ledger.journal is not None
            head = self._insert(
                genesis_entry(ledger.market, at=now, key=ledger.audit_key, has_journal=has_journal)
            )
        return self._insert(
            next_entry(
                head,
                event=event,
                user=user,
                details=details,
                at=ledger.clock.now(),
                key=ledger.audit_key,
                redactor=ledger.redactor,
            )
        )

    def _insert(self, entry: AuditEntry) -> AuditEntry:
        self.connection.execute(insert(AUDIT_ENTRIES), entry_to_row(entry, self.ledger.market))
        self.appended.append(entry)
        return entry


class SqlAuditLog:
    """An AuditLog of one market."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def append(self, event: str, *, user: str, details: Mapping[str, Any]) -> AuditEntry:
        """Append one entry in its own transaction."""
        with self._ledger.writing() as act:
            return act.append(event, user=user, details=details)

    def entries(self, first: int = 0) -> Iterator[AuditEntry]:
        """Entries by `seq`, streamed; bytes that are no text come as damage to be found."""
        is_sqlite = self._ledger.engine.dialect.name == "sqlite"
        query = (
            select(*_columns(as_bytes=is_sqlite))
            .where(AUDIT_ENTRIES.c.market == self._ledger.market)
            .order_by(AUDIT_ENTRIES.c.seq)
            .execution_options(yield_per=_ROWS_A_FETCH)
        )
        if first:
            query = query.where(AUDIT_ENTRIES.c.seq >= first)
        with self._ledger.reading() as connection:
            for row in connection.execute(query):
                yield _to_entry(row, _decode) if is_sqlite else _to_entry(row)

    def head(self) -> AuditEntry | None:
        """The newest entry."""
        with self._ledger.reading() as connection:
            return read_head(connection, self._ledger.market)


def read_head(connection: Connection, market: str) -> AuditEntry | None:
    """The newest entry that the connection sees."""
    query = (
        select(*_columns(as_bytes=False))
        .where(AUDIT_ENTRIES.c.market == market)
        .order_by(AUDIT_ENTRIES.c.seq.desc())
        .limit(1)
    )
    row: Row[Any] | None = connection.execute(query).one_or_none()
    return None if row is None else _to_entry(row)


def entry_to_row(entry: AuditEntry, market: str) -> dict[str, Any]:
    """The row of an entry."""
    texts = (getattr(entry, one.name) for one in fields(entry)[1:])
    return {"market": market, "seq": entry.seq, **dict(zip(_TEXTS, texts, strict=True))}


def _columns(*, as_bytes: bool) -> list[ColumnElement[Any]]:
    """Columns as AuditEntry has them; SQLite would refuse a row whose text is broken."""
    texts: list[ColumnElement[Any]] = [AUDIT_ENTRIES.c[name] for name in _TEXTS]
    return [
        AUDIT_ENTRIES.c.seq,
        *([cast(text, LargeBinary) for text in texts] if as_bytes else texts),
    ]


def _to_entry(row: Row[Any], read: Callable[[Any], Any] | None = None) -> AuditEntry:
    values: list[Any] = list(row)
    texts = values[1:] if read is None else map(read, values[1:])
    return AuditEntry(values[0], *texts)


def _decode(stored: bytes | None) -> str:
    return "" if stored is None else stored.decode("utf-8", "surrogateescape")
