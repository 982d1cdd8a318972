"""Dagster's SQLite event log, with batches of asset events written in one transaction.

Dagster batches events when `DAGSTER_EVENT_BATCH_SIZE` is set, but its SQLite storage then still
opens two connections and commits twice for each event, about 12 ms a partition. A backfill of
three years writes some twenty thousand of them, so the embedded profile uses this storage;
PostgreSQL batches by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

_BATCHED = frozenset(
    {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED}
)


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """Stores a batch of materialisation events with two commits instead of two for each event."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run and asset kind; anything else goes one by one."""
        runs = {event.run_id for event in events}
        kinds = {event.dagster_event_type for event in events}
        if len(runs) != 1 or not kinds <= _BATCHED:
            super().store_event_batch(events)
            return
        rows = [self.prepare_insert_event(event).compile().params for event in events]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(runs.pop()) as connection:
            connection.execute(insert, rows)
        with self.index_transaction() as connection:
            returning = insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
            ids = [row[0] for row in connection.execute(returning, rows)]
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
        super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchingSqliteEventLogStorage(
            str(Path(base_dir, "history", "runs"))
        )

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Self:
        """Called by Dagster with the `config` block of `dagster.yaml`."""
        return cls.from_local(inst_data=inst_data, **config_value)
