"""What the matrix asks of a database: a fresh ledger for each run, and ways to fail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, event

from tests.faults.cases import Case


class LedgerHome(Protocol):
    """Where the runs of one worker keep their ledger, one after another at the same URL.

    Attributes:
        url: Of the ledger of the run that is on.
    """

    url: str

    def __init__(self, url: str) -> None: ...

    @staticmethod
    def serve(root: Path) -> AbstractContextManager[str]:
        """Make a ledger to begin with; it and the URL last as long as the context.

        Args:
            root: The worker's folder; a run takes place in `run`.
        """

    def renew(self) -> None:
        """Forget the run before, and put an empty ledger in its place."""

    def spoil(self, engine: Engine, case: Case, struck: Path) -> None:
        """Let this process meet fault 20 or 24, if it is the case's; `struck` is made when it does.

        20: a commit of which the client is told that it failed, before or after it took effect.
        24: a disk that is full.
        """


def on_commit(engine: Engine, nth: int, strike: Callable[[Connection], None]) -> None:
    """Call `strike` right before the nth commit of this process."""
    commits = 0

    @event.listens_for(engine, "commit")
    def count(connection: Connection) -> None:
        nonlocal commits
        commits += 1
        if commits == nth:
            strike(connection)
