"""The people who may act, in a table that all markets share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from tradegraph_dagster.adapters.sql.access_tables import PEOPLE
from tradegraph_dagster.adapters.sql.audit_log import Act, Ledger
from tradegraph_dagster.domain.access.proof import USED_CODE, failures_after_guess
from tradegraph_dagster.domain.access.schema import CodeVerdict, PeopleChange, Person, Role

# People and credentials belong to no market: what happens to them is a chain of its own.
ACCESS_CHAIN = "access"


class SqlPeopleBook:
    """A PeopleBook.

    Args:
        ledger: Of ACCESS_CHAIN.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def people(self) -> Sequence[Person]:
        """Everybody who was ever enrolled, by name."""
        with self._ledger.reading() as connection:
            return _read(connection)

    def change(self, decide: Callable[[Sequence[Person]], PeopleChange]) -> Person:
        """Store the person that `decide` makes of all people, while no other writer can act."""
        with self._ledger.writing() as act:
            known = _read(act.connection)
            change = decide(known)
            row = asdict(change.person)
            if change.person.name in {person.name for person in known}:
                same = PEOPLE.c.name == change.person.name
                act.connection.execute(update(PEOPLE).where(same).values(row))
            else:
                act.connection.execute(insert(PEOPLE).values(row))
            details = {
                "person": change.person.name,
                "role": change.person.role.value,
                "reason": change.reason,
            }
            act.append(change.event, user=change.actor, details=details)
        return change.person

    def try_code(
        self, name: str, judge: Callable[[Person], CodeVerdict], *, right: str
    ) -> CodeVerdict:
        """Judge a person's code and keep what it comes to, in one transaction."""
        with self._ledger.writing() as act:
            verdict = self._keep(act, name, judge)
            event = "code_refused" if verdict.refusal else "code_accepted"
            details = {"for": right, "refusal": verdict.refusal, "step": verdict.step}
            act.append(event, user=name, details=details)
        return verdict

    def reseal(self, renew: Callable[[str], str], *, actor: str) -> int:
        """Seal every secret anew, all or none."""
        with self._ledger.writing() as act:
            known = _read(act.connection)
            for person in known:
                same = PEOPLE.c.name == person.name
                renewed = {"totp_sealed": renew(person.totp_sealed)}
                act.connection.execute(update(PEOPLE).where(same).values(renewed))
            act.append("people_resealed", user=actor, details={"people": len(known)})
        return len(known)

    def _keep(self, act: Act, name: str, judge: Callable[[Person], CodeVerdict]) -> CodeVerdict:
        row = act.connection.execute(select(PEOPLE).where(PEOPLE.c.name == name)).one_or_none()
        if row is None:
            return CodeVerdict(refusal="nobody of that name is enrolled")
        person = _to_person(row)
        verdict = judge(person)
        if verdict.is_guess:
            now = self._ledger.clock.now()
            guess = {"failures": failures_after_guess(person, now), "failed_at": now}
            act.connection.execute(update(PEOPLE).where(PEOPLE.c.name == name).values(guess))
        if verdict.step is not None and not _use_up(act.connection, name, verdict.step):
            return CodeVerdict(refusal=USED_CODE)
        return verdict


def _use_up(connection: Connection, name: str, step: int) -> bool:
    """Compare and set in one statement, whatever was read before."""
    used = connection.execute(
        update(PEOPLE)
        .where(PEOPLE.c.name == name, PEOPLE.c.last_step < step, PEOPLE.c.is_disabled.is_(False))
        .values(last_step=step, failures=0, failed_at=None)
    )
    return used.rowcount == 1


def _read(connection: Connection) -> Sequence[Person]:
    return [_to_person(row) for row in connection.execute(select(PEOPLE).order_by(PEOPLE.c.name))]


def _to_person(row: Row[Any]) -> Person:
    fields = row._asdict()
    return Person(**{**fields, "role": Role(fields["role"])})
