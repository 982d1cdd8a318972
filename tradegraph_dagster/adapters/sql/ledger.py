"""Open a market's ledger, and make its tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog
from tradegraph_dagster.adapters.sql.decision_book import SqlDecisionBook
from tradegraph_dagster.adapters.sql.engine import open_engine, writing
from tradegraph_dagster.adapters.sql.fill_book import SqlFillBook
from tradegraph_dagster.adapters.sql.kill_switch import SqlKillSwitch
from tradegraph_dagster.adapters.sql.order_book import SqlOrderBook
from tradegraph_dagster.adapters.sql.reconciliation_book import SqlReconciliationBook
from tradegraph_dagster.adapters.sql.release_book import SqlReleaseBook
from tradegraph_dagster.adapters.sql.tables import metadata
from tradegraph_dagster.adapters.sql.triggers import guard_tables
from tradegraph_dagster.domain.audit.ports import AuditLog
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import ConfigError, StoreUnavailable
from tradegraph_dagster.domain.orders.ports import TradingBooks
from tradegraph_dagster.domain.quality.ports import ReleaseBook

SHORTEST_KEY_BYTES = 32
_SCHEMA_LOCK = "create-schema"


@dataclass(frozen=True)
class SqlLedger:
    """The books and the audit chain of one market."""

    books: TradingBooks
    audit: AuditLog
    releases: ReleaseBook
    engine: Engine

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def open_ledger(url: str, *, market: str, clock: Clock, audit_key: bytes) -> SqlLedger:
    """The ledger of a market; nothing is connected until it is used.

    Args:
        url: `sqlite:///path` or `postgresql://…`; markets may share one.
        market: Name of the market.
        clock: Stamps audit entries and ages reset requests.
        audit_key: Signs audit entries, at least 32 bytes.

    Raises:
        ConfigError: The URL or the key cannot be used.
    """
    if len(audit_key) < SHORTEST_KEY_BYTES:
        raise ConfigError(
            f"the audit key has {len(audit_key)} bytes, expected at least {SHORTEST_KEY_BYTES}"
        )
    ledger = Ledger(open_engine(url), market, clock, audit_key)
    books = TradingBooks(
        decisions=SqlDecisionBook(ledger),
        orders=SqlOrderBook(ledger),
        executions=SqlFillBook(ledger),
        kill_switch=SqlKillSwitch(ledger),
        reconciliations=SqlReconciliationBook(ledger),
    )
    return SqlLedger(books, SqlAuditLog(ledger), SqlReleaseBook(ledger), ledger.engine)


def create_schema(url: str) -> None:
    """Make the tables and triggers that are absent; safe to run at every start.

    Raises:
        ConfigError: The URL cannot be used.
        StoreUnavailable: The database cannot be reached.
    """
    engine = open_engine(url)
    try:
        _make_folder(engine)
        with writing(engine, _SCHEMA_LOCK) as connection:
            metadata.create_all(connection)
            guard_tables(connection)
    finally:
        engine.dispose()


def _make_folder(engine: Engine) -> None:
    if engine.url.get_backend_name() != "sqlite":
        return
    path = Path(engine.url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"cannot make the ledger's folder {path.parent}: {error}") from error
