"""A person proves who they are with a one-time code, and only then may act."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime, timedelta

from tradegraph_dagster.domain.access.ports import PeopleBook, Vault
from tradegraph_dagster.domain.access.roles import Right, role_refusal
from tradegraph_dagster.domain.access.schema import CodeVerdict, Person, Place, Role
from tradegraph_dagster.domain.access.sealed import open_at
from tradegraph_dagster.domain.access.totp import matched_step
from tradegraph_dagster.domain.core.clock import Clock
from tradegraph_dagster.domain.core.errors import AccessDenied, InvariantBroken

MOST_FAILURES = 5
LOCK_OUT = timedelta(minutes=5)
# A person invented on the spot is of no use as the second of two people.
PROBATION = timedelta(hours=24)
TOTP_PURPOSE = "totp"
# Said where a code is judged, and by the store where another run was quicker with the same one.
USED_CODE = "the code was used already; wait for the next one"

_SEAL = object()


@dataclass(frozen=True)
class ProvenPerson:
    """Somebody who gave a code that counts; made by `authenticate` and by nothing else.

    Attributes:
        name: Of the person.
        role: Of the person.
        enrolled_at: Since when.
        proven_at: When the code was accepted.
    """

    name: str
    role: Role
    enrolled_at: datetime
    proven_at: datetime
    # Not kept: a copy with another role would bring the seal along.
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise InvariantBroken(
                "a person is proven by authenticate only; found one made elsewhere"
            )

    def newness_refusal(self) -> str:
        """Why the person is too new for acts that one person alone must not do; else empty."""
        until = self.enrolled_at + PROBATION
        if self.proven_at >= until:
            return ""
        return (
            f"{self.name} was enrolled less than 24 hours ago and may do this from "
            f"{until.isoformat(timespec='minutes')}"
        )


@dataclass(frozen=True)
class Access:
    """What proving people works with.

    Attributes:
        people: The book of people.
        vault: Opens the secrets of their codes.
        env: demo, paper or live; a secret of one does not open in another.
        clock: What the codes are held against.
    """

    people: PeopleBook
    vault: Vault
    env: str
    clock: Clock

    def place_of(self, name: str) -> Place:
        """Where the secret of a person's codes belongs."""
        return self.place_at(canonical_name(name), TOTP_PURPOSE)

    def place_at(self, account: str, purpose: str) -> Place:
        """Where a secret of an account belongs."""
        return Place(account, self.env, purpose)


def authenticate(access: Access, name: str, code: str, *, right: Right) -> ProvenPerson:
    """Prove a person for an act; the code is used up.

    Raises:
        AccessDenied: No such person, a role that is too low, a wrong or used code, or too many
            wrong ones.
        ConfigError: The master key does not open the person's secret.
        StoreUnavailable: The people cannot be read, so nobody is proven.
    """
    who, now = canonical_name(name), access.clock.now()
    met: list[Person] = []

    def judge(person: Person) -> CodeVerdict:
        met.append(person)
        secret = open_at(access.vault, person.totp_sealed, access.place_of(person.name))
        return judge_code(person, code, secret=secret, right=right, now=now)

    verdict = access.people.try_code(who, judge, right=right)
    if verdict.refusal:
        raise AccessDenied(f"{who}: {verdict.refusal}")
    (person,) = met
    return ProvenPerson(person.name, person.role, person.enrolled_at, now, seal=_SEAL)


def judge_code(
    person: Person, code: str, *, secret: str, right: Right, now: datetime
) -> CodeVerdict:
    """Decide on a person's code; pure."""
    if person.is_disabled:
        return CodeVerdict(refusal="disabled; an admin may enrol the person anew")
    locked = _locked_until(person)
    if locked is not None and now < locked:
        until = locked.isoformat(timespec="seconds")
        return CodeVerdict(refusal=f"{MOST_FAILURES} wrong codes in a row; locked until {until}")
    too_low = role_refusal(person.role, right)
    if too_low:
        return CodeVerdict(refusal=too_low)
    step = matched_step(secret, code.strip(), now)
    if step is None:
        return CodeVerdict(refusal="a wrong code; is the clock of the device right?", is_guess=True)
    if step <= person.last_step:
        return CodeVerdict(refusal=USED_CODE)
    return CodeVerdict(step=step)


def failures_after_guess(person: Person, now: datetime) -> int:
    """Wrong codes in a row once this one is counted; those long ago are forgotten."""
    if person.failed_at is None or now - person.failed_at >= LOCK_OUT:
        return 1
    return person.failures + 1


def canonical_name(name: str) -> str:
    """How a name is stored and compared."""
    return name.strip().lower()


def _locked_until(person: Person) -> datetime | None:
    if person.failures < MOST_FAILURES or person.failed_at is None:
        return None
    return person.failed_at + LOCK_OUT
