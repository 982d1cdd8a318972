"""Settings -> what people prove themselves with, and where secrets are kept sealed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from tradegraph_dagster.adapters.jsonl.checkpoint_journal import JsonlCheckpointJournal
from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog
from tradegraph_dagster.adapters.sql.credential_book import SqlCredentialBook
from tradegraph_dagster.adapters.sql.engine import open_engine
from tradegraph_dagster.adapters.sql.ledger import create_schema
from tradegraph_dagster.adapters.sql.people_book import ACCESS_CHAIN, SqlPeopleBook
from tradegraph_dagster.domain.access.ports import CredentialBook
from tradegraph_dagster.domain.access.proof import Access
from tradegraph_dagster.domain.audit.ports import AuditLog, CheckpointJournal
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.settings import Settings


@dataclass(frozen=True)
class AccessDesk:
    """What all markets of a deployment share: people, sealed secrets, and their audit chain."""

    access: Access
    credentials: CredentialBook
    audit: AuditLog


def open_access_desk(settings: Settings, clock: Clock) -> AccessDesk:
    """Open it in the deployment's ledger.

    Raises:
        ConfigError: A key is absent or cannot be used.
        StoreUnavailable: The database cannot be reached.
    """
    from tradegraph_dagster.adapters.fernet.vault import FernetVault

    vault = FernetVault(settings.master_keys())
    settings.root.mkdir(parents=True, exist_ok=True)
    create_schema(settings.effective_ledger_url)
    ledger = access_ledger(settings, open_engine(settings.effective_ledger_url), clock)
    access = Access(SqlPeopleBook(ledger), vault, settings.environment, clock)
    return AccessDesk(access, SqlCredentialBook(ledger), SqlAuditLog(ledger))


def access_ledger(settings: Settings, engine: Engine, clock: Clock) -> Ledger:
    """What all markets share of the deployment's ledger.

    Raises:
        ConfigError: The audit key is absent or cannot be used.
    """
    return Ledger(
        engine,
        ACCESS_CHAIN,
        clock,
        settings.audit_key(),
        Redactor(*settings.secret_values()),
        access_journal(settings),
    )


def access_journal(settings: Settings) -> CheckpointJournal:
    """Checkpoints of the chain that all markets share, outside the ledger."""
    return JsonlCheckpointJournal(settings.checkpoint_file(ACCESS_CHAIN))
