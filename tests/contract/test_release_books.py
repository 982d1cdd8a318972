"""Releases are kept once, in order, by market, and each is an entry of the audit chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.ledgers import NEXT_SESSION, NOW, SESSION, SqlPlace, sql_place
from tests.support.make_chain import KEYS
from tradegraph_dagster.adapters.sql.ledger import SqlLedger
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.audit.redaction import Redactor
from tradegraph_dagster.domain.quality.releases import Release

RELEASE = Release(
    session=SESSION,
    symbol="600000.SH",
    bar="a" * 64,
    gates=("price_limits", "spliced_block"),
    reason="the exchange lifted the limit, notice of the day",
    actor="ann",
    released_at=NOW,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlPlace]:
    with sql_place(request.param, tmp_path) as where:
        yield where


@pytest.fixture
def ledger(place: SqlPlace) -> Iterator[SqlLedger]:
    opened = place.open()
    yield opened
    assert find_damage(opened.audit.entries(), KEYS) is None
    opened.close()


def test_what_was_recorded_is_read_in_order(ledger: SqlLedger) -> None:
    other = replace(RELEASE, symbol="000001.SZ", released_at=NOW + timedelta(minutes=1))
    ledger.releases.record(RELEASE)
    ledger.releases.record(other)
    assert ledger.releases.releases([SESSION]) == (RELEASE, other)


def test_a_reason_is_kept_without_secrets_and_what_no_store_takes(place: SqlPlace) -> None:
    opened = place.open(redactor=Redactor("canary-1"))
    opened.releases.record(replace(RELEASE, reason="canary-1 \udcdf\0"))
    (kept,) = opened.releases.releases([SESSION])
    assert kept.reason == "[redacted] \ufffd\ufffd"


def test_the_same_bar_again_changes_nothing(ledger: SqlLedger) -> None:
    ledger.releases.record(RELEASE)
    ledger.releases.record(replace(RELEASE, reason="again", released_at=NOW + timedelta(days=1)))
    assert ledger.releases.releases([SESSION]) == (RELEASE,)
    assert [entry.event for entry in ledger.audit.entries()][1:] == ["quarantine_released"]


def test_only_the_sessions_asked_for(ledger: SqlLedger) -> None:
    ledger.releases.record(RELEASE)
    assert ledger.releases.releases([NEXT_SESSION]) == ()
    assert ledger.releases.releases([date(2023, 12, 29), NEXT_SESSION]) == ()
    assert ledger.releases.releases([]) == ()


def test_another_market_does_not_see_it(place: SqlPlace, ledger: SqlLedger) -> None:
    ledger.releases.record(RELEASE)
    other = place.open(market="elsewhere-" + place.market)
    assert other.releases.releases([SESSION]) == ()
    other.close()


def test_the_audit_entry_says_who_let_what_through(ledger: SqlLedger) -> None:
    ledger.releases.record(RELEASE)
    entry = list(ledger.audit.entries())[-1]
    assert (entry.event, entry.user) == ("quarantine_released", "ann")
    assert entry.details["symbol"] == "600000.SH"
    assert entry.details["gates"] == ["price_limits", "spliced_block"]
    assert entry.details["reason"] == RELEASE.reason
