"""The audit chain of a market, whichever store keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.ledgers import NOW, sql_place
from tests.support.make_chain import KEY, KEYS
from tradegraph_dagster.adapters.memory.audit_log import MemoryAuditLog
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.ports import AuditLog
from tradegraph_dagster.domain.core.errors import InvariantBroken


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def audit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AuditLog]:
    if request.param == "memory":
        yield MemoryAuditLog(market="cn", clock=FixedClock(NOW), key=KEY)
        return
    with sql_place(request.param, tmp_path) as place:
        ledger = place.open()
        yield ledger.audit
        ledger.close()


def test_an_empty_chain_has_no_head(audit: AuditLog) -> None:
    assert audit.head() is None
    assert list(audit.entries()) == []


def test_the_first_entry_names_the_market(audit: AuditLog) -> None:
    entry = audit.append("login", user="ann", details={})
    genesis, first = audit.entries()
    assert (genesis.event, set(genesis.details)) == ("genesis", {"market", "format"})
    assert (first, entry.seq) == (entry, 1)


def test_what_was_appended_comes_back_in_order(audit: AuditLog) -> None:
    details = {
        "text": "沪深 \n\"'\\ %s :x",
        "n": -5,
        "ok": False,
        "none": None,
        "list": [{"a": "b"}],
    }
    entries = [audit.append(f"event {n}", user="ännå", details=details) for n in range(3)]
    assert list(audit.entries())[1:] == entries
    assert audit.head() == entries[-1]
    assert entries[0].details == details
    assert find_damage(audit.entries(), KEYS) is None


@pytest.mark.parametrize("wrong", [0.5, Decimal("0.5"), {1: "x"}])
def test_what_cannot_be_canonical_is_not_appended(audit: AuditLog, wrong: object) -> None:
    audit.append("login", user="ann", details={})
    with pytest.raises(InvariantBroken):
        audit.append("login", user="ann", details={"x": wrong})
    assert len(list(audit.entries())) == 2


def test_secrets_are_redacted(audit: AuditLog) -> None:
    audit.append("login", user="ann", details={"password": "canary"})
    assert "canary" not in repr(list(audit.entries()))


def test_entries_are_read_while_others_are_appended(audit: AuditLog) -> None:
    for number in range(3):
        audit.append("event", user="ann", details={"n": number})
    reading = audit.entries()
    next(reading)
    audit.append("late", user="ann", details={})
    assert len(list(reading)) == 3
