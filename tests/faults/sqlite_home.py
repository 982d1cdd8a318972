"""The ledger in a file of its own for each run."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from tests.faults.cases import Case
from tests.faults.ledger_home import LedgerHome, on_commit
from tradegraph_dagster.adapters.sql.ledger import create_schema


class SqliteHome(LedgerHome):
    """A file in the run's folder, copied from one beside it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._file = Path(make_url(url).database or "")

    @staticmethod
    @contextmanager
    def serve(root: Path) -> Iterator[str]:
        """Make the file to copy."""
        create_schema(f"sqlite:///{root}/ledger.db")
        yield f"sqlite:///{root}/run/ledger.db"

    def renew(self) -> None:
        """Copy it; the file of the run before went with its folder."""
        shutil.copy(self._file.parent.parent / "ledger.db", self._file)

    def spoil(self, engine: Engine, case: Case, struck: Path) -> None:
        """Refuse a commit as a busy database would; let the file grow by a few pages only."""

        def refuse(connection: Connection) -> None:
            struck.touch()
            raw: Any = connection.connection.dbapi_connection
            if case.is_late:
                raw.execute("COMMIT")
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))

        def limit(connection: sqlite3.Connection, _record: Any) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + case.spare_pages}")

        def notice(context: ExceptionContext) -> None:
            if "disk is full" in str(context.original_exception):
                struck.touch()

        if case.fault == 20:
            on_commit(engine, case.nth_commit, refuse)
        if case.fault == 24:
            event.listen(engine, "connect", limit)
            event.listen(engine, "handle_error", notice)
