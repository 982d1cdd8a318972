"""The audit chains of a deployment: one a market, and one of people and credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from tradegraph_dagster.adapters.sql.audit_log import SqlAuditLog
from tradegraph_dagster.domain.audit.cross_check import orders_without_entry
from tradegraph_dagster.domain.audit.journal import publish_head
from tradegraph_dagster.domain.audit.keys import Keyring
from tradegraph_dagster.domain.audit.ports import AuditLog, CheckpointJournal
from tradegraph_dagster.domain.audit.schema import ChainDamage, JournalLine
from tradegraph_dagster.domain.audit.step import verify_chain
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.frame_store import FrameStore
from tradegraph_dagster.domain.core.ids import ORDER_PREFIX, SYSTEM
from tradegraph_dagster.domain.orders.ports import FillBook
from tradegraph_dagster.resources.access import access_journal, access_ledger
from tradegraph_dagster.resources.desk import Desks, MarketDesk


@dataclass(frozen=True)
class AuditChain:
    """One chain and everything it is verified with.

    Attributes:
        name: Of the market, or of what all markets share.
        audit: The chain.
        journal: Its checkpoints outside the ledger.
        keys: Those that may have signed.
        clock: Dates its checkpoints.
        store: The lake that holds its other checkpoints; None for a chain that covers no tables.
        executions: Fills whose orders must be in it; None for a chain without orders.
    """

    name: str
    audit: AuditLog
    journal: CheckpointJournal
    keys: Keyring
    clock: Clock
    store: FrameStore | None = None
    executions: FillBook | None = None

    def verify(self, progress: Callable[[int], None] = lambda _count: None) -> ChainDamage | None:
        """The first bad entry; None if the chain is whole."""
        return verify_chain(
            self.audit, keys=self.keys, journal=self.journal, store=self.store, progress=progress
        )

    def unwritten(self) -> tuple[str, ...]:
        """Orders of ours that were filled, and whose sending the chain does not hold."""
        if self.executions is None:
            return ()
        filled = {fill.client_order_id for fill in self.executions.fills(date.max)}
        ours = [name for name in filled if name.startswith(ORDER_PREFIX)]
        return orders_without_entry(self.audit.entries(), ours)

    def publish(self, *, begin: bool = False) -> JournalLine | None:
        """Write its head down outside the ledger; None for a chain without entries.

        Args:
            begin: A person says that a journal without lines is a new one; the chain keeps that.
        """
        begins = begin and self.audit.head() is not None and not self.journal.lines()
        if begins:
            self.audit.append("journal_begun", user=SYSTEM, details={"chain": self.name})
        return publish_head(
            self.audit, self.journal, keys=self.keys, at=self.clock.now(), begin=begins
        )


def market_chain(desk: MarketDesk) -> AuditChain:
    """The chain of a market."""
    keys = desk.deployment.audit_keys()
    return AuditChain(
        name=desk.name,
        audit=desk.audit,
        journal=desk.checkpoints,
        keys=keys,
        clock=desk.clock,
        store=desk.workspace.store,
        executions=desk.books.executions,
    )


def access_chain(desk: MarketDesk) -> AuditChain:
    """The chain that all markets share, in the ledger of one of them; no key opens people's."""
    settings = desk.deployment
    ledger = access_ledger(settings, desk.ledger_engine, desk.clock)
    return AuditChain(
        name=ledger.market,
        audit=SqlAuditLog(ledger),
        journal=access_journal(settings),
        keys=settings.audit_keys(),
        clock=desk.clock,
    )


def all_chains(desks: Desks) -> list[AuditChain]:
    """Every chain of a deployment."""
    each = list(desks.values())
    return [*map(market_chain, each), *map(access_chain, each[:1])]
