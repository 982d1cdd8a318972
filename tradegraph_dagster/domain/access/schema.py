"""People, the codes they prove themselves with, the lock of live trading, sealed secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a person may do; each role may do what those before it may."""

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may act.

    Attributes:
        name: Lower case; identifies the person for ever, also when disabled.
        role: What the person may do.
        totp_sealed: The secret of the person's codes, sealed.
        enrolled_by: Who enrolled the person.
        enrolled_at: When; a new secret begins it anew.
        last_step: Newest time step whose code was accepted: a code counts once.
        failures: Wrong codes in a row.
        failed_at: When the newest of them was given.
        is_disabled: No code is accepted any more.
    """

    name: str
    role: Role
    totp_sealed: str
    enrolled_by: str
    enrolled_at: datetime
    last_step: int = 0
    failures: int = 0
    failed_at: datetime | None = None
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class PeopleChange:
    """A person as they are to be stored, and the audit entry that says so.

    Attributes:
        person: The whole row.
        event: Name of the entry.
        actor: Who changes it.
        reason: Why; empty where the event says it.
    """

    person: Person
    event: str
    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    """What a code comes to.

    Attributes:
        step: The time step it was made for; None where it is refused.
        refusal: Why, in words that help the person and no stranger; empty where it is accepted.
        is_guess: The code was wrong: too many of these lock the person out.
    """

    step: int | None = None
    refusal: str = ""
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class LiveLease:
    """Live trading of a market, armed by a person for a while.

    Attributes:
        market: Name of the market.
        host: The only host that orders may go to.
        account: The only account.
        armed_by: The person.
        armed_at: When.
        expires_at: First instant at which nothing may be sent any more.
    """

    market: str
    host: str
    account: str
    armed_by: str
    armed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed secret belongs; a token found in another place is refused.

    Attributes:
        account: Whose it is: an account or a person.
        env: demo, paper or live.
        purpose: What it opens.
    """

    account: str
    env: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A sealed secret as it is stored.

    Attributes:
        name: Such as `alpaca_key_id`.
        sealed: Token of the vault.
        updated_by: Who put it there.
        updated_at: When.
    """

    name: str
    sealed: str
    updated_by: str
    updated_at: datetime
