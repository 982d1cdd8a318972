"""Connections: how SQLite and PostgreSQL are opened, locked for writing, and how they fail.

Every write takes the market's one lock first (BEGIN IMMEDIATE, or an advisory lock), so books and
their audit entries are written by one writer at a time, in chain order.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tradegraph_dagster.domain.core.errors import (
    ConfigError,
    InvariantBroken,
    StoreError,
    StoreUnavailable,
    TradeGraphError,
)

BUSY_SECONDS = 20
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60
IDLE_SECONDS = 30

# A connection of which nothing is heard is given up after 10 + 3 * 5 seconds, at both ends.
_SILENT_SECONDS, _PROBE_SECONDS, _PROBES = 10, 5, 3

# Any constant will do; it keeps the ledger's advisory locks apart from other programs'.
_LOCK_SPACE = 0x7467

_WRITER = "tradegraph_writer"

# Execution option of a COPY: its rows, as lines of the text format.
COPIED_LINES = "tradegraph_copied_lines"

# From here on PostgreSQL repeats the row that a COPY was at.
_ROW_SHOWN = "\nCONTEXT:"
_UNDEFINED_TABLE = "42P01"


def open_engine(url: str) -> Engine:
    """Engine of a ledger; nothing is connected yet.

    Args:
        url: `sqlite:///path` or `postgresql://…`.

    Raises:
        ConfigError: Another database, or no URL at all.
    """
    parsed = _ledger_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Neither a program that hangs in a transaction nor one whose host is gone keeps the write lock.
    limits = (
        f"-c lock_timeout={BUSY_SECONDS}s -c statement_timeout={STATEMENT_SECONDS}s "
        f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s "
        f"-c tcp_keepalives_idle={_SILENT_SECONDS} -c tcp_keepalives_interval={_PROBE_SECONDS} "
        f"-c tcp_keepalives_count={_PROBES}"
    )
    engine = create_engine(
        parsed,
        hide_parameters=True,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "tradegraph",
            "options": limits,
            "keepalives": 1,
            "keepalives_idle": _SILENT_SECONDS,
            "keepalives_interval": _PROBE_SECONDS,
            "keepalives_count": _PROBES,
        },
    )
    event.listen(engine, "do_execute", _copy_in)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection to read with.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """
    with _translated(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, market: str) -> Iterator[Connection]:
    """One transaction that holds the market's write lock; rolled back on any error.

    Raises:
        StoreUnavailable: Nothing was half-written. Where the connection was lost at the commit,
            nobody here knows whether all was written.
        InvariantBroken: A constraint refused the write.
    """
    writer = engine.execution_options(**{_WRITER: True})
    with _translated(engine), writer.begin() as connection:
        if connection.dialect.name == "postgresql":
            # READ COMMITTED: statements after this one see what the last holder committed.
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:space, :market)"),
                {"space": _LOCK_SPACE, "market": _lock_number(market)},
            )
        yield connection


def read_time(connection: Connection) -> datetime:
    """The instant by the database's own clock; that of SQLite is the machine's."""
    if connection.dialect.name == "postgresql":
        # Not now(): a transaction that waited for the write lock began long ago.
        found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)
    now = text("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
    stamp: str = connection.execute(now).scalar_one()
    return datetime.fromisoformat(stamp)


def _ledger_url(url: str) -> URL:
    allowed = "the ledger lives in sqlite:///path or postgresql://user@host/database"
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(f"{allowed}; the URL that was found cannot be read") from error
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite")
    if backend == "postgresql":
        # Without the driver's name SQLAlchemy 2.1 looks for another one.
        return parsed.set(drivername="postgresql+psycopg2")
    raise ConfigError(f"{allowed}, found {parsed.render_as_string(hide_password=True)}")


def _lock_number(market: str) -> int:
    unsigned = zlib.crc32(market.encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def _copy_in(cursor: Any, statement: str, _parameters: Any, context: Any) -> bool:
    """Send the rows of a COPY, which the driver has a method of its own for."""
    lines = context.execution_options.get(COPIED_LINES)
    if lines is None:
        return False
    cursor.copy_expert(statement, io.StringIO(lines))
    return True


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions would begin late; `_begin_sqlite` begins them instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get(_WRITER, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        cause = _said(error.orig)
        told = f"the ledger refused a row: {cause}; halt, and verify the audit chain"
        raise InvariantBroken(told) from error
    except (DBAPIError, PoolTimeout) as error:
        raise _to_store_error(engine, error) from error
    except StatementError as error:
        # A column type refused a value; SQLAlchemy has wrapped what it said.
        if isinstance(error.orig, TradeGraphError):
            raise error.orig from error
        raise


def _to_store_error(engine: Engine, error: DBAPIError | PoolTimeout) -> TradeGraphError:
    original = getattr(error, "orig", None)
    cause = _said(original or error)
    where = engine.url.render_as_string(hide_password=True)
    if getattr(original, "pgcode", None) == _UNDEFINED_TABLE or "no such table" in cause:
        return ConfigError(f"{where} has no ledger tables ({cause}); create the schema first")
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return StoreUnavailable(f"cannot use {where}: {cause}; nothing was half-written, run again")
    return StoreError(f"{where} failed: {cause}; check the file, or restore it from its backup")


def _said(error: BaseException | None) -> str:
    return str(error).partition(_ROW_SHOWN)[0].strip()
