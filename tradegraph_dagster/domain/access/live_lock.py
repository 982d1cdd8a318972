"""The lock of live trading; pure.

Orders reach a live venue only while every one of these holds: the settings say so, the environment
variable says so, a person armed this market for this host and this account and the arming has not
lapsed, the venue says it is that account, the kill switch is off, and the books agree. Whatever is
missing or cannot be read keeps the lock shut. Nothing falls back to paper: an order that is meant
for live must not appear elsewhere.

A live account is read after the close, when the arming has lapsed by its own rule. For a day after
it lapsed, an arming therefore still lets its host be asked, and nothing sent; disarming ends that.

The lock is about orders, and about asking. Taking an order back needs none of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.access.roles import Right, role_refusal
from tradegraph_dagster.domain.access.schema import LiveLease
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError

LONGEST_HOURS = 8.0
# Settlement, and looking into what it found.
READABLE_AFTER = timedelta(hours=24)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class ArmRequest:
    """What a person wants armed.

    Attributes:
        market: Name of the market.
        host: Host name alone, without scheme or port.
        account: Account number.
        hours: For how long, at most eight.
    """

    market: str
    host: str
    account: str
    hours: float


@dataclass(frozen=True)
class LiveFacts:
    """What is known before a live host is asked anything.

    Attributes:
        is_enabled: Whether the environment variable says that this machine may trade live.
        host: Where the broker is set up to go.
        lease: The newest arming.
        halted: Why the kill switch is engaged; None while it is off.
        breaks: Of the newest reconciliation; None where there was none.
    """

    is_enabled: bool
    host: str
    lease: LiveLease | None
    halted: str | None
    breaks: int | None


def arming(
    request: ArmRequest, *, person: ProvenPerson, close: datetime, now: datetime
) -> LiveLease:
    """The lease that a person gives; it ends with the session at the latest.

    Args:
        request: What is wanted.
        person: Who arms.
        close: Of the session that is open, or opens next.
        now: When.

    Raises:
        AccessDenied: The person's role is too low, or they are too new.
        ConfigError: Hours, host or account cannot be used.
    """
    refusal = role_refusal(person.role, Right.ARM_LIVE) or person.newness_refusal()
    if refusal:
        raise AccessDenied(f"{person.name}: {refusal}" if person.name not in refusal else refusal)
    if not 0 < request.hours <= LONGEST_HOURS:
        raise ConfigError(f"hours: found {request.hours}, allowed: above 0, up to {LONGEST_HOURS}")
    if not _HOST.fullmatch(request.host) or not request.account.strip():
        raise ConfigError(
            f"host and account: found {request.host!r} and {request.account!r}, allowed: a host "
            "name alone, such as api.alpaca.markets, and the account's number"
        )
    until = min(now + timedelta(hours=request.hours), close)
    return LiveLease(request.market, request.host, request.account.strip(), person.name, now, until)


def contact_refusal(facts: LiveFacts, *, now: datetime) -> str:
    """Why a live host may not even be asked; empty where it may."""
    if not facts.is_enabled:
        return "TRADEGRAPH_LIVE_ENABLED: expected 1, found something else or nothing"
    if facts.lease is None:
        return "expected an armed live lock, found none; see `tradegraph live arm`"
    if facts.lease.host != facts.host:
        return f"the live lock is armed for {facts.lease.host}, the broker goes to {facts.host}"
    if facts.lease.armed_at <= now < facts.lease.expires_at + READABLE_AFTER:
        return ""
    return _lapse(facts.lease, now)


def trading_refusal(facts: LiveFacts, *, now: datetime) -> str:
    """Why no order may be sent live, as far as it can be said without asking the venue."""
    refusal = contact_refusal(facts, now=now) or _lapse(facts.lease, now)
    if refusal:
        return refusal
    if facts.halted is not None:
        return f"the kill switch is engaged: {facts.halted}"
    return breaks_refusal(facts.breaks)


def breaks_refusal(breaks: int | None) -> str:
    """Why the newest reconciliation does not bear trading; empty where it does.

    Args:
        breaks: What it found; None where there was none.
    """
    if breaks is None:
        return "the books were never reconciled with the account"
    return f"the newest reconciliation has {breaks} breaks" if breaks else ""


def sending_refusal(lease: LiveLease | None, *, host: str, account: str, now: datetime) -> str:
    """Why an order may not go to this host and account now; empty where it may."""
    if lease is None:
        return "live trading is not armed"
    lapse = _lapse(lease, now)
    if lapse:
        return lapse
    if (lease.host, lease.account) != (host, account):
        return (
            f"live trading is armed for account {lease.account} at {lease.host}, the order would "
            f"go to account {account or 'unknown'} at {host or 'an unknown host'}"
        )
    return ""


def _lapse(lease: LiveLease | None, now: datetime) -> str:
    if lease is None or lease.armed_at <= now < lease.expires_at:
        return ""
    return (
        f"live trading was armed from {lease.armed_at.isoformat(timespec='seconds')} until "
        f"{lease.expires_at.isoformat(timespec='seconds')}, now it is "
        f"{now.isoformat(timespec='seconds')}; arm it again"
    )
