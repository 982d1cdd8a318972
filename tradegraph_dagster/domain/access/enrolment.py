"""Who may be enrolled and disabled, and by whom; pure.

The first two people are enrolled freely, the first of them as an admin, for there is nobody to
ask yet. From then on it takes an admin's code. Nobody is ever removed, so the freedom of the
beginning does not come back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tradegraph_dagster.domain.access.proof import ProvenPerson, canonical_name
from tradegraph_dagster.domain.access.roles import Right, role_refusal
from tradegraph_dagster.domain.access.schema import PeopleChange, Person, Role
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError
from tradegraph_dagster.domain.core.ids import SYSTEM

FREELY_ENROLLED = 2
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,63}")
# Whoever these stand for in the audit chain is nobody in particular.
_RESERVED_NAMES = frozenset({SYSTEM, "root", "nobody"})


@dataclass(frozen=True)
class Applicant:
    """Somebody to be enrolled.

    Attributes:
        name: Two letters or more; letters, digits, dots, dashes.
        role: What they may do.
        totp_sealed: The secret of their codes, sealed in their place.
    """

    name: str
    role: Role
    totp_sealed: str


def needs_admin(people: Sequence[Person]) -> bool:
    """Whether enrolling takes an admin's code by now."""
    return len(people) >= FREELY_ENROLLED


def enrolment(
    people: Sequence[Person],
    applicant: Applicant,
    *,
    by: ProvenPerson | None,
    login: str,
    now: datetime,
) -> PeopleChange:
    """Enrol somebody new, or somebody disabled anew with another secret.

    Args:
        people: Everybody who was ever enrolled.
        applicant: Who.
        by: The admin who does it; None while that is free.
        login: Who is at the keyboard, for the record.
        now: When.

    Raises:
        AccessDenied: It takes an admin, the name is taken, or the first person is no admin.
        ConfigError: The name cannot be used.
    """
    name = require_name(applicant.name)
    if by is not None:
        _require_right(by)
    elif needs_admin(people):
        raise AccessDenied(
            f"{len(people)} people are enrolled, so another takes an admin's code; give --person "
            "and --code"
        )
    known = {person.name: person for person in people}
    if name in known and not known[name].is_disabled:
        raise AccessDenied(f"{name} is enrolled already; disable the person first, or take a name")
    if not people and applicant.role is not Role.ADMIN:
        raise AccessDenied(
            f"the first person must be an admin, who can enrol others; found {applicant.role}"
        )
    person = Person(name, applicant.role, applicant.totp_sealed, by.name if by else login, now)
    event = "person_enrolled_anew" if name in known else "person_enrolled"
    return PeopleChange(person, event, person.enrolled_by)


def disabling(
    people: Sequence[Person], name: str, *, by: ProvenPerson, reason: str
) -> PeopleChange:
    """Accept no code of a person any more.

    Raises:
        AccessDenied: Nobody of that name, or the last admin.
    """
    _require_right(by)
    active = {person.name: person for person in people if not person.is_disabled}
    person = active.get(canonical_name(name))
    if person is None:
        names = ", ".join(active) or "nobody"
        raise AccessDenied(f"found nobody named {name!r} to disable; active: {names}")
    admins = [one for one in active.values() if one.role is Role.ADMIN]
    if admins == [person]:
        raise AccessDenied(f"{person.name} is the last admin; enrol another one first")
    return PeopleChange(replace(person, is_disabled=True), "person_disabled", by.name, reason)


def require_name(name: str) -> str:
    """A name as it is stored.

    Raises:
        ConfigError: It cannot be used.
    """
    stored = canonical_name(name)
    if _NAME.fullmatch(stored) and stored not in _RESERVED_NAMES:
        return stored
    raise ConfigError(
        f"name: found {name!r}, allowed: 2 to 64 letters, digits, dots and dashes, a letter first; "
        f"not {', '.join(sorted(_RESERVED_NAMES))}"
    )


def _require_right(by: ProvenPerson) -> None:
    refusal = role_refusal(by.role, Right.CHANGE_PEOPLE)
    if refusal:
        raise AccessDenied(f"{by.name}: {refusal}")
