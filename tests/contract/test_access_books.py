"""People, credentials and the live lock, in each database that may keep them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.support.access_places import AccessPlace, access_place
from tests.support.ledgers import NOW
from tests.support.make_chain import KEYS
from tests.support.people import MASTER_KEY, code_of, enrol, secret_of
from tradegraph_dagster.domain.access.enrolment import disabling
from tradegraph_dagster.domain.access.proof import ProvenPerson, authenticate
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.schema import (
    CodeVerdict,
    Credential,
    LiveLease,
    PeopleChange,
    Role,
)
from tradegraph_dagster.domain.access.sealed import credential_at, open_at
from tradegraph_dagster.domain.audit.chain import find_damage
from tradegraph_dagster.domain.core.errors import AccessDenied, ConfigError, InvariantBroken


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AccessPlace]:
    with access_place(request.param, tmp_path) as where:
        yield where
        assert find_damage(where.audit.entries(), KEYS) is None


@pytest.fixture
def manned(place: AccessPlace) -> AccessPlace:
    enrol(place.access(), "boss", Role.ADMIN)
    enrol(place.access(), "ann")
    return place


def give(place: AccessPlace, name: str, code: str) -> ProvenPerson:
    return authenticate(place.access(), name, code, right=Right.RELEASE_QUARANTINE)


class TestPeople:
    def test_a_person_comes_back_as_enrolled(self, manned: AccessPlace) -> None:
        ann, boss = manned.access().people.people()
        assert (ann.name, ann.role, boss.role) == ("ann", Role.TRADER, Role.ADMIN)
        assert ann.enrolled_at == NOW - timedelta(hours=24)
        assert (ann.last_step, ann.failures, ann.failed_at, ann.is_disabled) == (0, 0, None, False)
        assert manned.events() == ["person_enrolled"] * 2

    def test_the_database_never_holds_a_secret(self, manned: AccessPlace) -> None:
        sealed = [person.totp_sealed for person in manned.access().people.people()]
        assert all(token.startswith("gAAAAA") for token in sealed)
        chain = repr(list(manned.audit.entries()))
        assert not [name for name in ("ann", "boss") if secret_of(name) in chain]
        assert not [token for token in sealed if token in chain]

    def test_a_code_counts_once_whoever_asks(self, manned: AccessPlace) -> None:
        code = code_of("ann", NOW)
        assert give(manned, "ann", code).name == "ann"
        with pytest.raises(AccessDenied, match="used already"):
            give(manned, "ann", code)
        assert manned.events()[2:] == ["code_accepted", "code_refused"]

    def test_the_step_is_compared_in_the_statement_that_sets_it(self, manned: AccessPlace) -> None:
        """Even a judge that would let everything through accepts no step twice."""
        people = manned.access().people
        verdicts = [
            people.try_code("ann", lambda _, step=step: CodeVerdict(step=step), right="test")
            for step in (100, 100, 99, 101)
        ]
        assert [verdict.step for verdict in verdicts] == [100, None, None, 101]
        assert [person.last_step for person in people.people()] == [101, 0]

    def test_wrong_codes_are_counted_and_a_right_one_ends_the_count(
        self, manned: AccessPlace
    ) -> None:
        for count in range(1, 4):
            with pytest.raises(AccessDenied, match="wrong code"):
                give(manned, "ann", "000000")
            ann = manned.access().people.people()[0]
            assert (ann.failures, ann.failed_at) == (count, NOW)
        give(manned, "ann", code_of("ann", NOW))
        ann = manned.access().people.people()[0]
        assert (ann.failures, ann.failed_at) == (0, None)

    def test_a_locked_person_stays_locked_in_another_process(self, manned: AccessPlace) -> None:
        for _ in range(5):
            with pytest.raises(AccessDenied, match="wrong code"):
                give(manned, "ann", "000000")
        with pytest.raises(AccessDenied, match="locked until"):
            give(manned, "ann", code_of("ann", NOW))
        manned.clock.advance(timedelta(minutes=5))
        assert give(manned, "ann", code_of("ann", manned.clock.now()))

    def test_a_disabled_person_proves_nothing(self, manned: AccessPlace) -> None:
        access = manned.access()
        boss = authenticate(access, "boss", code_of("boss", NOW), right=Right.CHANGE_PEOPLE)
        access.people.change(lambda known: disabling(known, "ann", by=boss, reason="left"))
        with pytest.raises(AccessDenied, match="disabled"):
            give(manned, "ann", code_of("ann", NOW))
        entry = next(one for one in manned.audit.entries() if one.event == "person_disabled")
        assert (entry.user, entry.details["person"], entry.details["reason"]) == (
            "boss",
            "ann",
            "left",
        )

    def test_a_change_that_is_refused_leaves_nothing(self, manned: AccessPlace) -> None:
        with pytest.raises(AccessDenied):
            enrol(manned.access(), "eve")
        assert [person.name for person in manned.access().people.people()] == ["ann", "boss"]
        assert manned.events() == ["person_enrolled"] * 2

    def test_a_sealed_secret_moved_to_another_row_is_refused(self, manned: AccessPlace) -> None:
        ann, boss = manned.access().people.people()
        moved = PeopleChange(replace(boss, totp_sealed=ann.totp_sealed), "moved", "thief")
        manned.access().people.change(lambda _: moved)
        with pytest.raises(AccessDenied, match="was moved"):
            give(manned, "boss", code_of("ann", NOW))


class TestCredentials:
    def put(self, place: AccessPlace, value: str, account: str = "paper") -> Credential:
        access = place.access()
        spot = access.place_at(account, "alpaca_key_id")
        stored = credential_at(access.vault, value, spot, by="boss", at=NOW)
        place.credentials.put(stored)
        return stored

    def test_a_credential_opens_where_it_belongs(self, place: AccessPlace) -> None:
        self.put(place, "first")
        stored = self.put(place, "second")
        assert list(place.credentials.credentials()) == [stored]
        access = place.access()
        spot = access.place_at("paper", "alpaca_key_id")
        assert open_at(access.vault, stored.sealed, spot) == "second"
        assert place.events() == ["credential_stored", "credential_replaced"]
        assert "second" not in repr(list(place.audit.entries()))

    @pytest.mark.parametrize(
        "elsewhere",
        [{"account": "live"}, {"env": "live"}, {"purpose": "alpaca_secret_key"}],
    )
    def test_a_token_found_elsewhere_is_refused(
        self, place: AccessPlace, elsewhere: dict[str, str]
    ) -> None:
        stored, access = self.put(place, "s3cret-value"), place.access()
        spot = replace(access.place_at("paper", "alpaca_key_id"), **elsewhere)
        with pytest.raises(AccessDenied, match="was moved") as caught:
            open_at(access.vault, stored.sealed, spot)
        assert "s3cret-value" not in str(caught.value)

    @pytest.mark.parametrize("name", ["", "Alpaca", "a b", "a;b", "1a", "x" * 129])
    def test_a_name_that_cannot_be_used_is_refused(self, place: AccessPlace, name: str) -> None:
        access = place.access()
        with pytest.raises(ConfigError, match="allowed"):
            credential_at(access.vault, "v", access.place_at("paper", name), by="b", at=NOW)


class TestRotation:
    def test_the_drill(self, manned: AccessPlace) -> None:
        """Old, then new and old, then everything sealed anew, then the old one is worth nothing."""
        access, new = manned.access(), Fernet.generate_key().decode()
        spot = access.place_at("paper", "alpaca_key_id")
        manned.credentials.put(credential_at(access.vault, "value", spot, by="boss", at=NOW))
        before = [person.totp_sealed for person in access.people.people()]
        (kept,) = manned.credentials.credentials()

        both = manned.access(f"{new},{MASTER_KEY}")
        assert authenticate(both, "ann", code_of("ann", NOW), right=Right.RELEASE_QUARANTINE)
        assert both.people.reseal(both.vault.renew, actor="boss") == 2
        assert manned.credentials.reseal(both.vault.renew, actor="boss") == 1

        only_new = manned.access(new)
        manned.clock.advance(timedelta(minutes=1))
        code = code_of("ann", manned.clock.now())
        assert authenticate(only_new, "ann", code, right=Right.RELEASE_QUARANTINE)
        (anew,) = manned.credentials.credentials()
        assert open_at(only_new.vault, anew.sealed, spot) == "value"
        for token in (*before, kept.sealed):
            with pytest.raises(ConfigError, match="another master key"):
                only_new.vault.open(token)
        only_old = manned.access()
        with pytest.raises(ConfigError, match="another master key"):
            authenticate(only_old, "boss", code_of("boss", NOW), right=Right.CHANGE_PEOPLE)
        assert manned.events()[-3:] == [
            "people_resealed",
            "credentials_resealed",
            "code_accepted",
        ]

    def test_a_token_that_no_key_opens_leaves_all_as_they_were(self, manned: AccessPlace) -> None:
        before = list(manned.access().people.people())
        other = manned.access(Fernet.generate_key().decode())
        with pytest.raises(ConfigError, match="another master key"):
            other.people.reseal(other.vault.renew, actor="boss")
        assert list(manned.access().people.people()) == before


class TestLiveLock:
    def lease(self, place: AccessPlace, **changes: object) -> LiveLease:
        fields = {
            "market": place.place.market,
            "host": "api.alpaca.markets",
            "account": "PA1",
            "armed_by": "boss",
            "armed_at": NOW,
            "expires_at": NOW + timedelta(hours=4),
        }
        return LiveLease(**(fields | changes))  # type: ignore[arg-type]

    def test_it_begins_unarmed(self, place: AccessPlace) -> None:
        assert place.live_lock.lease() is None

    def test_the_newest_arming_counts_and_disarming_removes_it(self, place: AccessPlace) -> None:
        place.live_lock.arm(self.lease(place), reason="open")
        place.live_lock.arm(self.lease(place, account="PA2"), reason="other account")
        assert place.live_lock.lease() == self.lease(place, account="PA2")
        place.live_lock.disarm(actor="ann", reason="over")
        place.live_lock.disarm(actor="ann", reason="over")
        assert place.live_lock.lease() is None
        assert place.events() == ["live_armed", "live_armed", "live_disarmed"]

    def test_another_markets_arming_is_refused(self, place: AccessPlace) -> None:
        with pytest.raises(InvariantBroken):
            place.live_lock.arm(self.lease(place, market="other"), reason="open")
        assert place.live_lock.lease() is None

    def test_the_entry_says_for_what(self, place: AccessPlace) -> None:
        place.live_lock.arm(self.lease(place), reason="open")
        entry = list(place.audit.entries())[-1]
        assert (entry.user, entry.details["account"]) == ("boss", "PA1")
        assert entry.details["host"] == "api.alpaca.markets"
