"""Every part of the live lock keeps it shut by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from tests.support.people import proven
from tradegraph_dagster.domain.access.live_lock import (
    ArmRequest,
    LiveFacts,
    arming,
    contact_refusal,
    sending_refusal,
    trading_refusal,
)
from tradegraph_dagster.domain.access.schema import LiveLease, Role
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
CLOSE = NOW + timedelta(hours=6, minutes=30)
YESTERDAY, SECOND = NOW - timedelta(hours=24), timedelta(seconds=1)
HOST, ACCOUNT = "api.alpaca.markets", "PA123"
LEASE = LiveLease("us", HOST, ACCOUNT, "boss", NOW, NOW + timedelta(hours=4))
OPEN = LiveFacts(is_enabled=True, host=HOST, lease=LEASE, halted=None, breaks=0)
REQUEST = ArmRequest("us", HOST, ACCOUNT, 4.0)
BOSS = proven("boss2", Role.ADMIN, at=NOW)

SHUT = {
    "not enabled on this machine": {"is_enabled": False},
    "never armed": {"lease": None},
    "armed for another host": {"host": "paper-api.alpaca.markets"},
    "lapsed": {"lease": replace(LEASE, expires_at=NOW)},
    "armed later": {"lease": replace(LEASE, armed_at=NOW + timedelta(seconds=1))},
    "kill switch": {"halted": "drawdown"},
    "kill switch without a word": {"halted": ""},
    "breaks": {"breaks": 1},
    "never reconciled": {"breaks": None},
}


def test_it_is_open_only_when_everything_holds() -> None:
    assert trading_refusal(OPEN, now=NOW) == ""


@pytest.mark.parametrize("change", SHUT.values(), ids=SHUT)
def test_each_part_shuts_it(change: dict) -> None:
    assert trading_refusal(replace(OPEN, **change), now=NOW)


@pytest.mark.parametrize(("one", "other"), list(combinations(SHUT, 2)))
def test_two_wrongs_do_not_open_it(one: str, other: str) -> None:
    assert trading_refusal(replace(OPEN, **(SHUT[one] | SHUT[other])), now=NOW)


@pytest.mark.parametrize(
    ("change", "may_ask"),
    [
        ({}, True),
        (SHUT["lapsed"], True),
        ({"lease": replace(LEASE, armed_at=YESTERDAY, expires_at=YESTERDAY + SECOND)}, True),
        ({"lease": replace(LEASE, armed_at=YESTERDAY, expires_at=YESTERDAY)}, False),
        (SHUT["armed later"], False),
        (SHUT["breaks"], True),
        (SHUT["kill switch"], True),
        (SHUT["never armed"], False),
        (SHUT["not enabled on this machine"], False),
        (SHUT["armed for another host"], False),
    ],
)
def test_a_lapsed_arming_lets_the_account_be_read_for_a_day(change: dict, may_ask: bool) -> None:
    assert (contact_refusal(replace(OPEN, **change), now=NOW) == "") is may_ask


@pytest.mark.parametrize(
    ("host", "account"),
    [
        (HOST, "PA124"),
        (HOST, ""),
        ("paper-api.alpaca.markets", ACCOUNT),
        ("", ACCOUNT),
        ("API.alpaca.markets", ACCOUNT),
    ],
)
def test_an_order_goes_to_the_armed_account_and_host_only(host: str, account: str) -> None:
    assert sending_refusal(LEASE, host=HOST, account=ACCOUNT, now=NOW) == ""
    assert "would go to account" in sending_refusal(LEASE, host=host, account=account, now=NOW)


@pytest.mark.parametrize(
    ("after", "is_open"),
    [(0, True), (3.999, True), (4.0, False), (4.001, False), (-0.001, False), (-5, False)],
)
def test_a_lease_holds_from_its_arming_to_its_end(after: float, is_open: bool) -> None:
    now = NOW + timedelta(hours=after)
    refusal = sending_refusal(LEASE, host=HOST, account=ACCOUNT, now=now)
    assert (refusal == "") is is_open
    assert is_open or "arm it again" in refusal


def test_nothing_armed_sends_nothing() -> None:
    assert "not armed" in sending_refusal(None, host=HOST, account=ACCOUNT, now=NOW)


def test_an_arming_ends_with_the_hours_or_the_session() -> None:
    short = arming(REQUEST, person=BOSS, close=CLOSE, now=NOW)
    assert short == replace(LEASE, armed_by="boss2")
    long = arming(replace(REQUEST, hours=8.0), person=BOSS, close=CLOSE, now=NOW)
    assert long.expires_at == CLOSE


@pytest.mark.parametrize("hours", [0.0, -1.0, 8.01, 24.0, float("nan"), float("inf")])
def test_hours_beyond_a_working_day_are_refused(hours: float) -> None:
    with pytest.raises(ConfigError, match="hours"):
        arming(replace(REQUEST, hours=hours), person=BOSS, close=CLOSE, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"host": ""},
        {"host": "https://api.alpaca.markets"},
        {"host": "api.alpaca.markets:443"},
        {"host": "*"},
        {"account": " "},
    ],
)
def test_what_is_armed_must_be_named_exactly(change: dict) -> None:
    with pytest.raises(ConfigError, match="host and account"):
        arming(replace(REQUEST, **change), person=BOSS, close=CLOSE, now=NOW)


def test_a_trader_arms_nothing_and_neither_does_a_new_admin() -> None:
    with pytest.raises(AccessDenied, match="role admin to arm live trading, found trader"):
        arming(REQUEST, person=proven("ann", Role.TRADER, at=NOW), close=CLOSE, now=NOW)
    fresh = proven("eve", Role.ADMIN, at=NOW, since=timedelta(hours=23, minutes=59))
    with pytest.raises(AccessDenied, match="less than 24 hours"):
        arming(REQUEST, person=fresh, close=CLOSE, now=NOW)
