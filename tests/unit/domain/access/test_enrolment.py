"""Who may be enrolled and disabled, and by whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.people import code_of, enrol, open_access, proven
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.access.enrolment import Applicant, disabling, enrolment, needs_admin
from tradegraph_dagster.domain.access.proof import Access, ProvenPerson, authenticate
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.schema import PeopleChange, Person, Role
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError

NOW = datetime(2026, 3, 2, 14, 30, 10, tzinfo=UTC)
CLOCK = FixedClock(NOW)


@pytest.fixture
def access() -> Access:
    return open_access(CLOCK)


def boss(access: Access) -> ProvenPerson:
    return authenticate(access, "boss", code_of("boss", NOW), right=Right.CHANGE_PEOPLE)


def names(access: Access, *, active: bool = True) -> list[str]:
    return [person.name for person in access.people.people() if person.is_disabled is not active]


def disable(access: Access, name: str, by: ProvenPerson) -> Person:
    return access.people.change(lambda known: disabling(known, name, by=by, reason="left"))


def test_the_first_two_are_enrolled_freely_and_the_third_takes_an_admin(access: Access) -> None:
    enrol(access, "boss", Role.ADMIN)
    assert not needs_admin(access.people.people())
    enrol(access, "ann")
    assert needs_admin(access.people.people())
    with pytest.raises(AccessDenied, match="2 people are enrolled"):
        enrol(access, "bob")
    enrol(access, "bob", by=boss(access))
    assert names(access) == ["ann", "bob", "boss"]
    (bob,) = [person for person in access.people.people() if person.name == "bob"]
    assert bob.enrolled_by == "boss"


def test_the_first_person_must_be_able_to_enrol_others(access: Access) -> None:
    for role in (Role.VIEWER, Role.TRADER):
        with pytest.raises(AccessDenied, match="first person must be an admin"):
            enrol(access, "ann", role)


def test_disabling_does_not_bring_the_free_beginning_back(access: Access) -> None:
    enrol(access, "boss", Role.ADMIN)
    enrol(access, "ann")
    disable(access, "ann", boss(access))
    with pytest.raises(AccessDenied, match="takes an admin"):
        enrol(access, "eve")
    with pytest.raises(AccessDenied, match="takes an admin"):
        enrol(access, "ann")


def test_a_trader_enrols_and_disables_nobody(access: Access) -> None:
    enrol(access, "boss", Role.ADMIN)
    enrol(access, "ann")
    trader = authenticate(access, "ann", code_of("ann", NOW), right=Right.RELEASE_QUARANTINE)
    with pytest.raises(AccessDenied, match="takes the role admin"):
        enrol(access, "eve", by=trader)
    with pytest.raises(AccessDenied, match="takes the role admin"):
        disable(access, "boss", trader)


def test_a_name_that_is_taken_is_refused_until_the_person_is_disabled(access: Access) -> None:
    enrol(access, "boss", Role.ADMIN)
    enrol(access, "ann")
    admin = boss(access)
    with pytest.raises(AccessDenied, match="enrolled already"):
        enrol(access, " ANN ", by=admin)
    disable(access, "ann", admin)
    assert names(access) == ["boss"]
    enrol(access, "ann", by=admin, since=timedelta(0))
    (ann,) = [person for person in access.people.people() if person.name == "ann"]
    assert ann.enrolled_at == NOW, "a new secret makes a person new"
    assert not ann.is_disabled


def test_the_last_admin_stays(access: Access) -> None:
    enrol(access, "boss", Role.ADMIN)
    enrol(access, "ann")
    with pytest.raises(AccessDenied, match="last admin"):
        disable(access, "boss", boss(access))


def test_somebody_unknown_cannot_be_disabled(access: Access) -> None:
    enrol(access, "boss", Role.ADMIN)
    with pytest.raises(AccessDenied, match="active: boss"):
        disable(access, "eve", boss(access))


@pytest.mark.parametrize(
    "name",
    ["", "a", "system", "root", "1ann", "ann eve", "änn", "\u0430nn", "x" * 65, "a;b"],
)
def test_names_that_could_be_mistaken_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="name: found"):
        enrolment([], Applicant(name, Role.ADMIN, "sealed"), by=None, login="me", now=NOW)


def test_the_change_says_who_did_it() -> None:
    applicant = Applicant("Ann.B-1", Role.ADMIN, "sealed")
    free = enrolment([], applicant, by=None, login="uid0", now=NOW)
    person = Person("ann.b-1", Role.ADMIN, "sealed", "uid0", NOW)
    assert free == PeopleChange(person, "person_enrolled", "uid0")
    admin = proven("boss2", Role.ADMIN, at=NOW)
    by_admin = enrolment([], applicant, by=admin, login="uid0", now=NOW)
    assert (by_admin.actor, by_admin.person.enrolled_by) == ("boss2", "boss2")
