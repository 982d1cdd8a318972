"""People for tests: enrolled, with the codes their devices would show."""

from __future__ import annotations

from datetime import datetime, timedelta

from tradegraph_dagster.adapters.fernet.vault import FernetVault
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.memory.people_book import MemoryPeopleBook
from tradegraph_dagster.domain.access.enrolment import Applicant, enrolment
from tradegraph_dagster.domain.access.ports import PeopleBook
from tradegraph_dagster.domain.access.proof import (
    PROBATION,
    Access,
    ProvenPerson,
    authenticate,
)
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.schema import Role
from tradegraph_dagster.domain.access.sealed import seal_at
from tradegraph_dagster.domain.access.totp import code_at_step, secret_text, step_at
from tradegraph_dagster.domain.core.clock import Clock

MASTER_KEY = "bWFzdGVyLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM="


def secret_of(name: str) -> str:
    """The secret of a person's device: always the same, from the name."""
    return secret_text(name.encode().ljust(20, b"."))


def code_of(name: str, at: datetime, *, steps: int = 0) -> str:
    """What the device shows; `steps` later where it is not 0."""
    return code_at_step(secret_of(name), step_at(at) + steps)


def open_access(
    clock: Clock, people: PeopleBook | None = None, *, env: str = "demo", keys: str = MASTER_KEY
) -> Access:
    """What proving people works with; a book in memory unless another is given."""
    vault = FernetVault(keys.split(","))
    return Access(people or MemoryPeopleBook(clock), vault, env, clock)


def enrol(
    access: Access,
    name: str,
    role: Role = Role.TRADER,
    *,
    by: ProvenPerson | None = None,
    since: timedelta = PROBATION,
) -> None:
    """Enrol a person, as of long enough ago to do everything."""
    sealed = seal_at(access.vault, secret_of(name), access.place_of(name))
    applicant = Applicant(name, role, sealed)
    at = access.clock.now() - since
    access.people.change(lambda known: enrolment(known, applicant, by=by, login="test", now=at))


def proven(
    name: str, role: Role = Role.TRADER, *, at: datetime, since: timedelta = PROBATION
) -> ProvenPerson:
    """Somebody proven at an instant, who was enrolled `since` before it."""
    access = open_access(FixedClock(at))
    enrol(access, "boss", Role.ADMIN)
    enrol(access, name, role, since=since)
    return authenticate(access, name, code_of(name, at), right=Right.RESET_KILL_SWITCH)
