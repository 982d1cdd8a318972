from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tests.support.make_bars import make_adjusted_bars, weekdays
from tests.support.make_chain import KEY
from tests.support.plain_market import PlainMarket
from tradegraph_dagster.adapters.memory.audit_log import MemoryAuditLog
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.audit.chain import find_damage
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
    clock = FixedClock(datetime(2024, 1, 3, tzinfo=UTC))
    return MemoryAuditLog(market="plain", clock=clock, key=KEY)


def checkpoint(
    ws: Workspace, audit: MemoryAuditLog, session: date = SESSIONS[0], key: bytes = KEY
) -> Written:
    return checkpoint_session(ws, session=session, audit=audit, key=key, tables=TABLES)


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
    assert find_damage(audit.entries(), KEY, [stored]) is None


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
        checkpoint(ws, audit, key=b"x" * 32)
    checkpoint(ws, audit)
    with pytest.raises(InvariantBroken, match="not signed with this key"):
        checkpoint(ws, audit, key=b"x" * 32)


def test_a_chain_is_verified_against_the_lake(ws: Workspace, audit: MemoryAuditLog) -> None:
    assert verify_chain(ws, audit=audit, key=KEY) is None
    for session in SESSIONS:
        checkpoint(ws, audit, session)
    assert verify_chain(ws, audit=audit, key=KEY) is None
    clock = FixedClock(datetime(2024, 1, 3, tzinfo=UTC))
    shorter = MemoryAuditLog(market="plain", clock=clock, key=KEY)
    checkpoint(Workspace(ws.market, ws.store, SESSIONS[0]), shorter)
    damage = verify_chain(ws, audit=shorter, key=KEY)
    assert damage is not None
    assert damage.kind == "truncated"
