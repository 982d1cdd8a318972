from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.make_chain import KEY, KEYS
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.adapters.jsonl.checkpoint_journal import JsonlCheckpointJournal
from tradegraph_dagster.adapters.memory.audit_log import MemoryAuditLog
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.journal import publish_head
from tradegraph_dagster.domain.audit.keys import Keyring
from tradegraph_dagster.domain.audit.schema import AUDIT_CHECKPOINT
from tradegraph_dagster.domain.audit.step import (
    checkpoint_session,
    frame_to_checkpoints,
    verify_chain,
)
from tradegraph_dagster.domain.core.errors import InvariantBroken
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace

SESSIONS = weekdays(3)
NOW = datetime(2024, 1, 3, tzinfo=UTC)
OTHER = Keyring((b"x" * 32,))
TABLES = ("adjusted_bars", "audit_checkpoint", "breaks")


@pytest.fixture
def ws() -> Workspace:
    store = MemoryFrameStore()
    bars = make_adjusted_bars(SESSIONS)
    for (session,), part in bars.partition_by("session", as_dict=True).items():
        store.write(ADJUSTED_BARS, session, part)
    return Workspace(PlainMarket(), store, SESSIONS[0])


@pytest.fixture
def audit() -> MemoryAuditLog:
    clock = FixedClock(NOW)
    return MemoryAuditLog(market="plain", clock=clock, key=KEY)


def checkpoint(
    ws: Workspace, audit: MemoryAuditLog, session: date = SESSIONS[0], keys: Keyring = KEYS
) -> Written:
    return checkpoint_session(ws, session=session, audit=audit, keys=keys, tables=TABLES)


def test_the_checkpoint_covers_the_chain_and_the_tables(
    ws: Workspace, audit: MemoryAuditLog
) -> None:
    written = checkpoint(ws, audit)
    (stored,) = frame_to_checkpoints(ws.store.read(AUDIT_CHECKPOINT, [SESSIONS[0]]))
    head = audit.head()
    assert head is not None
    assert (stored.entries, stored.head_hash) == (head.seq + 1, head.hash)
    assert head.details["tables"] == [
        ["adjusted_bars", ws.store.fingerprint("adjusted_bars", SESSIONS[0])]
    ]
    assert written.facts == {"entries": 2, "tables": 1}
    assert find_damage(audit.entries(), KEYS, [stored]) is None


def test_again_with_the_same_tables_appends_nothing(ws: Workspace, audit: MemoryAuditLog) -> None:
    first = checkpoint(ws, audit)
    audit.append("other", user="u", details={})
    entries = list(audit.entries())
    assert checkpoint(ws, audit) == first
    assert list(audit.entries()) == entries


def test_a_changed_table_makes_a_new_checkpoint(ws: Workspace, audit: MemoryAuditLog) -> None:
    first = checkpoint(ws, audit)
    ws.store.write(ADJUSTED_BARS, SESSIONS[0], ADJUSTED_BARS.empty())
    assert checkpoint(ws, audit).fingerprint != first.fingerprint
    assert len(list(audit.entries())) == 3


def test_a_run_that_stopped_before_writing_is_taken_up(
    ws: Workspace, audit: MemoryAuditLog
) -> None:
    checkpoint(ws, audit)
    fresh = MemoryFrameStore()
    fresh.write(ADJUSTED_BARS, SESSIONS[0], ws.store.read(ADJUSTED_BARS, [SESSIONS[0]]))
    checkpoint(Workspace(ws.market, fresh, SESSIONS[0]), audit)
    assert len(list(audit.entries())) == 2


def test_another_key_is_refused(ws: Workspace, audit: MemoryAuditLog) -> None:
    with pytest.raises(InvariantBroken, match="does not verify"):
        checkpoint(ws, audit, keys=OTHER)
    checkpoint(ws, audit)
    with pytest.raises(InvariantBroken, match="not signed with a known key"):
        checkpoint(ws, audit, keys=OTHER)


@pytest.fixture
def journal(tmp_path: Path) -> JsonlCheckpointJournal:
    return JsonlCheckpointJournal(tmp_path / "far" / "plain.jsonl")


def test_a_chain_is_verified_against_the_lake(
    ws: Workspace, audit: MemoryAuditLog, journal: JsonlCheckpointJournal
) -> None:
    assert verify_chain(audit, keys=KEYS, journal=journal, store=ws.store) is None
    for session in SESSIONS:
        checkpoint(ws, audit, session)
    damage = verify_chain(audit, keys=KEYS, journal=journal, store=ws.store)
    assert damage is not None
    assert (damage.kind, damage.seq) == ("journal", 0)
    publish_head(audit, journal, keys=KEYS, at=NOW)
    assert verify_chain(audit, keys=KEYS, journal=journal, store=ws.store) is None
    clock = FixedClock(NOW)
    shorter = MemoryAuditLog(market="plain", clock=clock, key=KEY)
    checkpoint(Workspace(ws.market, ws.store, SESSIONS[0]), shorter)
    damage = verify_chain(shorter, keys=KEYS, journal=journal, store=ws.store)
    assert damage is not None
    assert damage.kind == "truncated"


def test_a_rolled_back_ledger_and_lake_are_found_by_the_journal(
    ws: Workspace, audit: MemoryAuditLog, journal: JsonlCheckpointJournal
) -> None:
    checkpoint(ws, audit)
    audit.append("order", user="u", details={})
    publish_head(audit, journal, keys=KEYS, at=NOW)
    backup = MemoryAuditLog(market="plain", clock=FixedClock(NOW), key=KEY)
    backup.append("checkpoint", user="system", details={"restored": True})
    damage = verify_chain(backup, keys=KEYS, journal=journal, store=None)
    assert damage is not None
    assert damage.kind == "truncated"
    backup.append("order", user="u", details={})
    damage = verify_chain(backup, keys=KEYS, journal=journal, store=None)
    assert damage is not None
    assert damage.kind == "rewritten"


def test_a_journal_that_ends_before_the_lake_lost_lines(
    ws: Workspace, audit: MemoryAuditLog, journal: JsonlCheckpointJournal
) -> None:
    audit.append("order", user="u", details={})
    publish_head(audit, journal, keys=KEYS, at=NOW)
    checkpoint(ws, audit)
    damage = verify_chain(audit, keys=KEYS, journal=journal, store=ws.store)
    assert damage is not None
    assert (damage.kind, damage.seq) == ("journal", 2)
    publish_head(audit, journal, keys=KEYS, at=NOW)
    assert verify_chain(audit, keys=KEYS, journal=journal, store=ws.store) is None
