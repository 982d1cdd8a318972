"""Open a market's ledger, and make its tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog
from tradegraph_dagster.adapters.sql.decision_book import SqlDecisionBook
from tradegraph_dagster.adapters.sql.engine import open_engine, reading, writing
from tradegraph_dagster.adapters.sql.fill_book import SqlFillBook
from tradegraph_dagster.adapters.sql.incident_book import SqlIncidentBook
from tradegraph_dagster.adapters.sql.kill_switch import SqlKillSwitch
from tradegraph_dagster.adapters.sql.lease_book import SqlLeaseBook
from tradegraph_dagster.adapters.sql.live_lock_book import SqlLiveLockBook
from tradegraph_dagster.adapters.sql.order_book import SqlOrderBook
from tradegraph_dagster.adapters.sql.reconciliation_book import SqlReconciliationBook
from tradegraph_dagster.adapters.sql.release_book import SqlReleaseBook
from tradegraph_dagster.adapters.sql.triggers import guard_tables
from tradegraph_dagster.domain.access.ports import LiveLockBook
from tradegraph_dagster.domain.audit.keys import SHORTEST_KEY_BYTES
from tradegraph_dagster.domain.audit.ports import AuditLog, CheckpointJournal
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import ConfigError, StoreUnavailable
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.quality.ports import ReleaseBook

# Newest of the migrations; a database that says so is taken as it is.
SCHEMA_REVISION = "0002"

_SCHEMA_LOCK = "create-schema"


@dataclass(frozen=True)
class SqlLedger:
    """The books and the audit chain of one market."""

    books: TradingBooks
    audit: AuditLog
    releases: ReleaseBook
    live_lock: LiveLockBook
    engine: Engine

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def open_ledger(
    url: str,
    *,
    market: str,
    clock: Clock,
    audit_key: bytes,
    redactor: Redactor | None = None,
    journal: CheckpointJournal | None = None,
) -> SqlLedger:
    """The ledger of a market; nothing is connected until it is used.

    Args:
        url: `sqlite:///path` or `postgresql://…`; markets may share one.
        market: Name of the market.
        clock: Stamps audit entries and calls to the broker; reset requests age by it. Leases age
            by the database's own.
        audit_key: Signs audit entries, at least 32 bytes.
        redactor: Takes secrets out of what is written; by default those that look like one.
        journal: Where the chain's checkpoints are written down outside the database.

    Raises:
        ConfigError: The URL or the key cannot be used.
    """
    if len(audit_key) < SHORTEST_KEY_BYTES:
        raise ConfigError(
            f"the audit key has {len(audit_key)} bytes, expected at least {SHORTEST_KEY_BYTES}"
        )
    return ledger_books(
        Ledger(open_engine(url), market, clock, audit_key, redactor or Redactor(), journal)
    )


def ledger_books(ledger: Ledger) -> SqlLedger:
    """The books over one market's share of a database."""
    orders = SqlOrderBook(ledger)
    books = TradingBooks(
        decisions=SqlDecisionBook(ledger),
        orders=orders,
        events=orders,
        executions=SqlFillBook(ledger),
        leases=SqlLeaseBook(ledger),
        incidents=SqlIncidentBook(ledger),
        kill_switch=SqlKillSwitch(ledger),
        reconciliations=SqlReconciliationBook(ledger),
    )
    return SqlLedger(
        books=books,
        audit=SqlAuditLog(ledger),
        releases=SqlReleaseBook(ledger),
        live_lock=SqlLiveLockBook(ledger),
        engine=ledger.engine,
    )


def create_schema(url: str) -> None:
    """Bring the tables and triggers up to this release; safe, and quick, to run at every start.

    A new database gets all of them, one that an older release made gets what it lacks, and keeps
    its rows. Starts side by side wait for each other.

    Raises:
        ConfigError: The URL cannot be used, or a newer release made the tables.
        StoreUnavailable: The database cannot be reached.
    """
    engine = open_engine(url)
    try:
        _make_folder(engine)
        if _stored_revision(engine) == SCHEMA_REVISION:
            return
        # Migrations are seldom needed, and slow to import.
        from tradegraph_dagster.adapters.sql.migrations.upgrade import upgrade_schema

        with writing(engine, _SCHEMA_LOCK) as connection:
            upgrade_schema(connection)
            guard_tables(connection)
    finally:
        engine.dispose()


def _stored_revision(engine: Engine) -> str | None:
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _make_folder(engine: Engine) -> None:
    if engine.url.get_backend_name() != "sqlite":
        return
    path = Path(engine.url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"cannot make the ledger's folder {path.parent}: {error}") from error
