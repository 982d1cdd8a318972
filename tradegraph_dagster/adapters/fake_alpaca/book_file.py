"""The file an account's book is kept in: SQLite, one transaction for each request."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from tradegraph_dagster.adapters.fake_alpaca.records import Activity, Order, State
from tradegraph_dagster.domain.core.errors import ConfigError

FILE = "book.sqlite"
LOCK_SECONDS = 0.2
_TABLES = """
CREATE TABLE IF NOT EXISTS accounts (key_id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    key_id TEXT NOT NULL, id TEXT NOT NULL, client_order_id TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (key_id, id), UNIQUE (key_id, client_order_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activities (
    key_id TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (key_id, seq)
) WITHOUT ROWID;
"""


class BookFile:
    """Accounts with their orders and activities.

    The death of the process loses nothing that was saved; a power cut may, which no test needs.

    Args:
        folder: Where the file is; made if it is not there.

    Raises:
        ConfigError: Another local Alpaca works on it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / FILE, timeout=LOCK_SECONDS, check_same_thread=False, isolation_level=None
        )
        try:
            # Accounts are kept in memory, so a second process would overwrite what this one did.
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=OFF")
            self._connection.executescript(_TABLES)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise ConfigError(
                f"folder {folder}: another local Alpaca works on it ({error}); end that one, or "
                "choose another folder"
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def key_ids(self) -> Sequence[str]:
        """Every account, by key id."""
        rows = self._read("SELECT key_id FROM accounts ORDER BY key_id", ())
        return [str(row[0]) for row in rows]

    def load(self, key_id: str) -> tuple[State, list[Order], list[Activity]] | None:
        """An account as it was saved, orders and activities in their order; None for no such."""
        found = self._read("SELECT body FROM accounts WHERE key_id = ?", (key_id,))
        if not found:
            return None
        orders = self._read("SELECT body FROM orders WHERE key_id = ?", (key_id,))
        activities = self._read(
            "SELECT body FROM activities WHERE key_id = ? ORDER BY seq", (key_id,)
        )
        return (
            State.model_validate_json(found[0][0]),
            sorted((Order.model_validate_json(row[0]) for row in orders), key=lambda one: one.seq),
            [Activity.model_validate_json(row[0]) for row in activities],
        )

    def save(self, state: State, orders: Iterable[Order], activities: Iterable[Activity]) -> None:
        """Write an account and what changed of its orders and activities, all or nothing."""
        key = state.key_id
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                self._connection.execute(
                    "INSERT OR REPLACE INTO accounts VALUES (?, ?)", (key, state.model_dump_json())
                )
                self._connection.executemany(
                    "INSERT INTO orders VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (key_id, id) DO UPDATE SET body = excluded.body",
                    [(key, one.id, one.client_order_id, one.model_dump_json()) for one in orders],
                )
                self._connection.executemany(
                    "INSERT OR REPLACE INTO activities VALUES (?, ?, ?)",
                    [(key, one.seq, one.model_dump_json()) for one in activities],
                )
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def forget(self, key_id: str) -> None:
        """Delete an account with all it has."""
        with self._lock:
            self._connection.execute("BEGIN")
            for table in ("accounts", "orders", "activities"):
                self._connection.execute(f"DELETE FROM {table} WHERE key_id = ?", (key_id,))
            self._connection.execute("COMMIT")

    def _read(self, query: str, values: Sequence[str]) -> list[tuple[str, ...]]:
        with self._lock, closing(self._connection.execute(query, values)) as cursor:
            return cursor.fetchall()
