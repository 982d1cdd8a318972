"""A person is proven by a fresh code of their own device, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.people import code_of, enrol, open_access, secret_of
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.domain.access.proof import Access, ProvenPerson, authenticate, judge_code
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.schema import PeopleChange, Person, Role
from tradegraph_dagster.domain.access.totp import step_at
from tradegraph_dagster.domain.core.errors import AccessDenied, InvariantBroken

NOW = datetime(2026, 3, 2, 14, 30, 10, tzinfo=UTC)
ANN = Person("ann", Role.TRADER, "sealed", "boss", NOW - timedelta(days=9))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def access(clock: FixedClock) -> Access:
    access = open_access(clock)
    enrol(access, "boss", Role.ADMIN)
    enrol(access, "ann")
    return access


def give(access: Access, code: str, *, name: str = "ann") -> ProvenPerson:
    return authenticate(access, name, code, right=Right.RELEASE_QUARANTINE)


def denied(access: Access, code: str, *, name: str = "ann") -> str:
    with pytest.raises(AccessDenied) as caught:
        give(access, code, name=name)
    return str(caught.value)


def test_the_right_code_proves_a_person(access: Access) -> None:
    person = give(access, code_of("ann", NOW), name=" Ann ")
    assert (person.name, person.role, person.proven_at) == ("ann", Role.TRADER, NOW)


def test_nobody_can_be_proven_by_hand() -> None:
    with pytest.raises(InvariantBroken, match="authenticate only"):
        ProvenPerson("ann", Role.ADMIN, NOW, NOW, seal=None)


def test_a_proof_cannot_be_rewritten(access: Access) -> None:
    person = give(access, code_of("ann", NOW))
    with pytest.raises(ValueError, match="seal"):
        replace(person, role=Role.ADMIN)


def test_of_a_thousand_replays_none_is_accepted(access: Access, clock: FixedClock) -> None:
    code = code_of("ann", NOW)
    give(access, code)
    for _ in range(1000):
        assert "used already" in denied(access, code)
        clock.advance(timedelta(milliseconds=20))
    assert give(access, code_of("ann", clock.now(), steps=1))


def test_an_older_code_is_not_accepted_after_a_newer_one(access: Access) -> None:
    give(access, code_of("ann", NOW, steps=1))
    for steps in (-1, 0, 1):
        assert "used already" in denied(access, code_of("ann", NOW, steps=steps))


def test_five_wrong_codes_lock_for_five_minutes(access: Access, clock: FixedClock) -> None:
    for _ in range(5):
        assert "wrong code" in denied(access, "000000")
    locked = clock.now()
    assert "locked until" in denied(access, code_of("ann", clock.now()))
    clock.advance(timedelta(minutes=4, seconds=59))
    assert "locked until" in denied(access, code_of("ann", clock.now()))
    clock.instant = locked + timedelta(minutes=5)
    assert give(access, code_of("ann", clock.now()))


def test_knocking_on_a_locked_door_does_not_keep_it_locked(
    access: Access, clock: FixedClock
) -> None:
    for _ in range(5):
        denied(access, "000000")
    for _ in range(10):
        clock.advance(timedelta(seconds=29))
        denied(access, "000000")
    clock.advance(timedelta(seconds=10))
    assert give(access, code_of("ann", clock.now()))


def test_a_right_code_ends_the_count(access: Access, clock: FixedClock) -> None:
    for _ in range(3):
        for _ in range(4):
            denied(access, "000000")
        give(access, code_of("ann", clock.now()))
        clock.advance(timedelta(minutes=1))


def test_wrong_codes_of_long_ago_are_forgotten(access: Access, clock: FixedClock) -> None:
    for _ in range(4):
        denied(access, "000000")
    clock.advance(timedelta(minutes=5))
    denied(access, "000000")
    assert give(access, code_of("ann", clock.now()))


def test_one_locked_person_locks_nobody_else(access: Access) -> None:
    for _ in range(6):
        denied(access, "000000")
    assert give(access, code_of("boss", NOW), name="boss").name == "boss"


@pytest.mark.parametrize("name", ["", "bob", "system", "ann' OR '1'='1"])
def test_somebody_unknown_is_refused(access: Access, name: str) -> None:
    assert "nobody of that name" in denied(access, code_of("ann", NOW), name=name)


def test_a_disabled_person_is_refused(access: Access) -> None:
    (ann,) = [person for person in access.people.people() if person.name == "ann"]
    gone = PeopleChange(replace(ann, is_disabled=True), "person_disabled", "boss")
    access.people.change(lambda _: gone)
    assert "disabled" in denied(access, code_of("ann", NOW))


def test_a_role_that_is_too_low_uses_no_code_up(access: Access) -> None:
    code = code_of("ann", NOW)
    with pytest.raises(
        AccessDenied, match="takes the role admin to arm live trading, found trader"
    ):
        authenticate(access, "ann", code, right=Right.ARM_LIVE)
    assert give(access, code)


def test_another_persons_secret_is_refused_where_it_was_put(access: Access) -> None:
    boss, ann = sorted(access.people.people(), key=lambda person: person.name != "boss")
    moved = PeopleChange(replace(boss, totp_sealed=ann.totp_sealed), "moved", "thief")
    access.people.change(lambda _: moved)
    text = denied(access, code_of("ann", NOW), name="boss")
    assert "a sealed secret was moved" in text
    assert secret_of("ann") not in text


def test_a_secret_of_another_environment_is_refused(clock: FixedClock) -> None:
    paper = open_access(clock, env="paper")
    enrol(paper, "boss", Role.ADMIN)
    live = open_access(clock, paper.people, env="live")
    assert "a sealed secret was moved" in denied(live, code_of("boss", NOW), name="boss")


def test_judging_changes_nothing() -> None:
    code = code_of("ann", NOW)
    secret = secret_of("ann")
    first, second = (
        judge_code(ANN, code, secret=secret, right=Right.RESET_KILL_SWITCH, now=NOW)
        for _ in range(2)
    )
    assert first == second
    assert first.step == step_at(NOW)
