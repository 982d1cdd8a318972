"""Dagster's SQLite storage with one event log file, open connections and batched writes.

Dagster's default keeps a database a run, opens a new engine for each statement and writes asset
events one by one in two transactions, whatever `DAGSTER_EVENT_BATCH_SIZE` says: about 12 ms a
partition and 0.1 s a run. A backfill of three years writes some twenty thousand partitions, so the
embedded profile uses this storage. PostgreSQL batches and pools by itself.

It stands on private names of Dagster, as 1.13 has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log import (
    ConsolidatedSqliteEventLogStorage,
)
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from filelock import FileLock

_BATCHED = frozenset(
    {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED}
)
_BUSY_TIMEOUT_SECONDS = 60


class BatchingSqliteEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """Stores a batch of materialisation events in one transaction, on pooled connections."""

    @cached_property
    def _pooled(self) -> sa.Engine:
        return sa.create_engine(self._conn_string, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS})

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        with self._pooled.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        super().dispose()  # type: ignore[no-untyped-call]
        self._pooled.dispose()

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store materialisation events together, and anything else one by one."""
        together = [event for event in events if event.dagster_event_type in _BATCHED]
        super().store_event_batch(
            [event for event in events if event.dagster_event_type not in _BATCHED]
        )
        if together:
            self._store_together(together)

    def _store_together(self, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert().returning(
            SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
        )
        with self.index_transaction() as connection:
            ids = [row[0] for row in connection.execute(insert, rows)]
            self._store_asset_event_tags(connection, events, ids)
            last_by_asset = {
                event.get_dagster_event().asset_key: (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
            }
            for event, event_id in last_by_asset.values():
                self._store_asset_event(connection, event, event_id)


class BatchingSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with the batching event log; named in `dagster.yaml`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        home = Path(base_dir)
        home.mkdir(parents=True, exist_ok=True)
        # Webserver and daemon start together, and the one that finds a table half made would end.
        with FileLock(home / "storage.lock"):
            super().__init__(base_dir, inst_data)
            self._event_log_storage = BatchingSqliteEventLogStorage(  # type: ignore[assignment]
                str(home / "history")
            )

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Self:
        """Called by Dagster with the `config` block of `dagster.yaml`."""
        return cls.from_local(inst_data=inst_data, **config_value)
