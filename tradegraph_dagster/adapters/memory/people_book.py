"""The book of people in memory: for tests and notebooks. It keeps no audit chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from tradegraph_dagster.domain.access.proof import failures_after_guess
from tradegraph_dagster.domain.access.schema import CodeVerdict, PeopleChange, Person
from tradegraph_dagster.domain.core.clock import Clock


class MemoryPeopleBook:
    """A PeopleBook.

    Args:
        clock: Says when a wrong code was given.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people: dict[str, Person] = {}
        self._writing = Lock()

    def people(self) -> Sequence[Person]:
        """Everybody who was ever enrolled, by name."""
        return [self._people[name] for name in sorted(self._people)]

    def change(self, decide: Callable[[Sequence[Person]], PeopleChange]) -> Person:
        """Keep the person that `decide` makes of all people."""
        with self._writing:
            person = decide(self.people()).person
            self._people[person.name] = person
        return person

    def try_code(
        self, name: str, judge: Callable[[Person], CodeVerdict], *, right: str
    ) -> CodeVerdict:
        """Judge a person's code and keep what it comes to."""
        with self._writing:
            person = self._people.get(name)
            if person is None:
                return CodeVerdict(refusal="nobody of that name is enrolled")
            verdict, now = judge(person), self._clock.now()
            if verdict.step is not None:
                person = replace(person, last_step=verdict.step, failures=0, failed_at=None)
            elif verdict.is_guess:
                count = failures_after_guess(person, now)
                person = replace(person, failures=count, failed_at=now)
            self._people[name] = person
        return verdict

    def reseal(self, renew: Callable[[str], str], *, actor: str) -> int:
        """Seal every secret anew."""
        with self._writing:
            renewed = {
                name: replace(person, totp_sealed=renew(person.totp_sealed))
                for name, person in self._people.items()
            }
            self._people = renewed
        return len(renewed)
