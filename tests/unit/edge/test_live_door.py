"""What must hold before a live venue gets an order, and before it is asked anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.ledger import memory_books
from tradegraph_dagster.cli.main import app
from tradegraph_dagster.domain.access.schema import LiveLease
from tradegraph_dagster.domain.core.errors import StoreUnavailable, TradingHalted
from tradegraph_dagster.domain.orders.schema import TradingMode, Venue
from tradegraph_dagster.resources.live_door import LiveDoor

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
HOST, ACCOUNT = "api.alpaca.markets", "PA1"
LEASE = LiveLease("us", HOST, ACCOUNT, "boss", NOW, NOW + timedelta(hours=4))
VENUE = Venue(HOST, ACCOUNT, is_live=True)


@dataclass
class StatedLock:
    """A lock that says what it was told; None for the lease is unarmed."""

    held: LiveLease | None
    is_readable: bool = True

    def lease(self) -> LiveLease | None:
        if not self.is_readable:
            raise StoreUnavailable("no database")
        return self.held

    def arm(self, lease: LiveLease, *, reason: str) -> None:
        self.held = lease

    def disarm(self, *, actor: str, reason: str) -> None:
        self.held = None


class Asked:
    """A venue that counts how often it was asked."""

    def __init__(self, venue: Venue = VENUE) -> None:
        self.venue = venue
        self.times = 0

    def __call__(self) -> Venue:
        self.times += 1
        return self.venue


@pytest.fixture
def door() -> LiveDoor:
    """One that is open."""
    clock = FixedClock(NOW)
    books = memory_books(market="us", clock=clock)
    books.reconciliations.record_reconciliation(date(2026, 11, 19), breaks=0, fingerprint="f")
    return LiveDoor(
        mode=TradingMode.LIVE,
        is_enabled=True,
        host=HOST,
        books=books,
        lock=StatedLock(LEASE),
        clock=clock,
    )


def test_an_open_door_asks_the_venue_once(door: LiveDoor) -> None:
    venue = Asked()
    door.require_armed(venue)
    assert venue.times == 1
    assert door.contact() == ""
    assert door.row()["live orders"] == "may go out"
    assert door.holds_back() == ""


@pytest.mark.parametrize(
    ("venue", "words"),
    [
        (replace(VENUE, account="PA2"), "would go to account PA2"),
        (replace(VENUE, account=""), "would go to account unknown"),
        (replace(VENUE, host="127.0.0.1"), "at 127.0.0.1"),
        (replace(VENUE, is_live=False), "is no live venue"),
        (Venue(), "is no live venue"),
    ],
)
def test_another_venue_than_was_armed_gets_nothing(
    door: LiveDoor, venue: Venue, words: str
) -> None:
    with pytest.raises(TradingHalted, match=words):
        door.require_armed(Asked(venue))


@pytest.mark.parametrize("mode", [TradingMode.PAPER, TradingMode.DRY_RUN])
def test_other_modes_ask_nobody(door: LiveDoor, mode: TradingMode) -> None:
    venue = Asked()
    other = replace(door, mode=mode, lock=StatedLock(None))
    other.require_armed(venue)
    assert venue.times == 0
    assert other.row()["live orders"] == f"none: the mode is {mode}"
    assert other.holds_back() == ""


def test_a_shut_door_asks_the_venue_nothing(door: LiveDoor) -> None:
    venue = Asked()
    shut = [
        replace(door, is_enabled=False),
        replace(door, host="paper-api.alpaca.markets"),
        replace(door, lock=StatedLock(None)),
        replace(door, clock=FixedClock(NOW + timedelta(hours=4))),
    ]
    for one in shut:
        with pytest.raises(TradingHalted, match="live trading is shut"):
            one.require_armed(venue)
        assert one.row()["live orders"] == f"held back: {one.holds_back()}"
        assert one.holds_back()
    door.books.kill_switch.engage(reason="drill", actor="ann")
    with pytest.raises(TradingHalted, match="the kill switch is engaged: drill"):
        door.require_armed(venue)
    assert venue.times == 0


@pytest.mark.parametrize(("lease", "status"), [(LEASE, 0), (None, 1)])
def test_the_exit_status_says_whether_a_live_market_is_shut(
    door: LiveDoor, monkeypatch: pytest.MonkeyPatch, lease: LiveLease | None, status: int
) -> None:
    desk = SimpleNamespace(live_door=replace(door, lock=StatedLock(lease)))
    monkeypatch.setattr("tradegraph_dagster.cli.live_lock.open_desks", lambda: {"us": desk})
    assert CliRunner().invoke(app, ["live", "status", "--json"]).exit_code == status


def test_a_lock_that_cannot_be_read_is_shut(door: LiveDoor) -> None:
    blind = replace(door, lock=StatedLock(LEASE, is_readable=False))
    assert "cannot be read" in blind.contact()
    with pytest.raises(StoreUnavailable):
        blind.require_armed(Asked())
