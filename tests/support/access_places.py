"""People, credentials and live locks in real databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from tests.support.ledgers import SqlPlace, sql_place
from tests.support.make_chain import KEY
from tests.support.people import open_access
from tradegraph_dagster.adapters.memory.clock import FixedClock
from tradegraph_dagster.adapters.sql.audit_log import Ledger, SqlAuditLog
from tradegraph_dagster.adapters.sql.credential_book import SqlCredentialBook
from tradegraph_dagster.adapters.sql.engine import open_engine, writing
from tradegraph_dagster.adapters.sql.live_lock_book import SqlLiveLockBook
from tradegraph_dagster.adapters.sql.people_book import SqlPeopleBook
from tradegraph_dagster.domain.access.proof import Access


@dataclass
class AccessPlace:
    """A database with nobody in it; its chain is `chain`."""

    place: SqlPlace
    engines: list[Engine] = field(default_factory=list)

    @property
    def clock(self) -> FixedClock:
        return self.place.clock

    @property
    def ledger(self) -> Ledger:
        """A new one each time, with connections of its own."""
        self.engines.append(open_engine(self.place.url))
        return Ledger(self.engines[-1], self.place.market, self.clock, KEY)

    def access(self, keys: str | None = None) -> Access:
        people = SqlPeopleBook(self.ledger)
        return open_access(self.clock, people, **({"keys": keys} if keys else {}))

    @property
    def credentials(self) -> SqlCredentialBook:
        return SqlCredentialBook(self.ledger)

    @property
    def live_lock(self) -> SqlLiveLockBook:
        return SqlLiveLockBook(self.ledger)

    @property
    def audit(self) -> SqlAuditLog:
        return SqlAuditLog(self.ledger)

    def events(self) -> list[str]:
        """Names of the entries after the first."""
        return [entry.event for entry in self.audit.entries()][1:]


@contextmanager
def access_place(backend: str, folder: Path) -> Iterator[AccessPlace]:
    """A database whose tables of people are empty: the server of the tests is shared."""
    with sql_place(backend, folder) as place:
        engine = open_engine(place.url)
        with writing(engine, place.market) as connection:
            for table in ("people", "live_lock", "credentials"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        engine.dispose()
        where = AccessPlace(place)
        yield where
        for opened in where.engines:
            opened.dispose()
