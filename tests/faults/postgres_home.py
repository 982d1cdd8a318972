"""The ledger in a PostgreSQL server of the worker's own, in a fresh database for each run."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, event

from tests.faults.cases import Case
from tests.faults.ledger_home import LedgerHome, on_commit
from tests.support.postgres import database_url, running_postgres
from tradegraph_dagster.adapters.sql.ledger import create_schema

_TEMPLATE, _RUN = "empty_ledger", "run"
_DISK_FULL = "53100"

# Every row that this session writes takes a piece of what is left. What is left is part of the
# transaction: a rollback gives it back, as it does with a file's pages.
_LIMIT = """
CREATE OR REPLACE FUNCTION take_space() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE spare int := current_setting('faults.spare_rows', true);
BEGIN
  IF spare < 1 THEN
    RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
  ELSIF spare IS NOT NULL THEN
    PERFORM set_config('faults.spare_rows', (spare - 1)::text, false);
  END IF;
  RETURN NEW;
END $$;
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER takes_space BEFORE INSERT OR UPDATE ON %I '
      'FOR EACH ROW EXECUTE FUNCTION take_space()', name);
  END LOOP;
END $$;
SELECT set_config('faults.spare_rows', '{rows}', false);
"""


class PostgresHome(LedgerHome):
    """A database that is made from a template, and dropped with whoever is still connected."""

    def __init__(self, url: str) -> None:
        self.url = url

    @staticmethod
    @contextmanager
    def serve(root: Path) -> Iterator[str]:
        """Run the server, and make the template."""
        with running_postgres() as server:
            # Nobody may be connected to the template while it is copied.
            _execute(server, "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
            _execute(server, f"CREATE DATABASE {_TEMPLATE}")
            create_schema(database_url(server, _TEMPLATE))
            yield database_url(server, _RUN)

    def renew(self) -> None:
        """Drop the database, and make it anew; no connection is left open."""
        _execute(
            database_url(self.url, "postgres"),
            f"DROP DATABASE IF EXISTS {_RUN} WITH (FORCE)",
            f"CREATE DATABASE {_RUN} TEMPLATE {_TEMPLATE}",
        )

    def spoil(self, engine: Engine, case: Case, struck: Path) -> None:
        """Cut the line at a commit; let the server say that its disk is full."""

        def cut(connection: Connection) -> None:
            # Late, the commit goes out and its answer cannot come in; else the commit cannot go
            # out. The client sees the same, and the server may still be busy with it by then.
            struck.touch()
            raw: Any = connection.connection.dbapi_connection
            with socket.socket(fileno=os.dup(raw.fileno())) as line:
                line.shutdown(socket.SHUT_RD if case.is_late else socket.SHUT_RDWR)

        def limit(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(_LIMIT.format(rows=case.spare_rows))
            connection.commit()

        def notice(context: ExceptionContext) -> None:
            if getattr(context.original_exception, "pgcode", None) == _DISK_FULL:
                struck.touch()

        if case.fault == 20:
            on_commit(engine, case.nth_commit, cut)
        if case.fault == 24:
            event.listen(engine, "connect", limit)
            event.listen(engine, "handle_error", notice)


def _execute(url: str, *statements: str) -> None:
    import psycopg2

    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
