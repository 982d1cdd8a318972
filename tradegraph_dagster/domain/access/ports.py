"""What the access stage needs from outside.

Every method of a book is one transaction, and writes its audit entry in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tradegraph_dagster.domain.access.schema import (
    CodeVerdict,
    Credential,
    LiveLease,
    PeopleChange,
    Person,
)


class Vault(Protocol):
    """Seals secrets under the newest master key, and opens what any of the keys sealed."""

    def seal(self, text: str) -> str:
        """A token that says nothing of the text."""
        ...

    def open(self, token: str) -> str:
        """The text.

        Raises:
            ConfigError: None of the master keys opens it.
        """
        ...

    def renew(self, token: str) -> str:
        """The same text under the newest key.

        Raises:
            ConfigError: None of the master keys opens it.
        """
        ...


class PeopleBook(Protocol):
    """Who may act; shared by all markets."""

    def people(self) -> Sequence[Person]:
        """Everybody who was ever enrolled, by name."""
        ...

    def change(self, decide: Callable[[Sequence[Person]], PeopleChange]) -> Person:
        """Store the person that `decide` makes of all people, while no other writer can act.

        `decide` may raise; then nothing is stored.
        """
        ...

    def try_code(
        self, name: str, judge: Callable[[Person], CodeVerdict], *, right: str
    ) -> CodeVerdict:
        """Judge a person's code and keep what it comes to, in one transaction.

        A step is kept by comparing and setting: of two that bring the same code, one wins, and the
        other's verdict is a refusal. A wrong code is counted. Somebody unknown is refused and
        `judge` is not called.
        """
        ...

    def reseal(self, renew: Callable[[str], str], *, actor: str) -> int:
        """Seal every secret anew, all or none; returns how many."""
        ...


class CredentialBook(Protocol):
    """Sealed secrets; shared by all markets."""

    def credentials(self) -> Sequence[Credential]:
        """All of them, by name."""
        ...

    def put(self, credential: Credential) -> None:
        """Store one; one of the same name is replaced."""
        ...

    def reseal(self, renew: Callable[[str], str], *, actor: str) -> int:
        """Seal every secret anew, all or none; returns how many."""
        ...


class LiveLockBook(Protocol):
    """The lock of one market's live trading."""

    def lease(self) -> LiveLease | None:
        """The newest arming, lapsed or not; None where it was never armed, or was disarmed.

        Raises:
            StoreUnavailable: It cannot be read; treat as not armed.
        """
        ...

    def arm(self, lease: LiveLease, *, reason: str) -> None:
        """Store it in place of the one before."""
        ...

    def disarm(self, *, actor: str, reason: str) -> None:
        """Remove it; nothing happens where there is none."""
        ...
