"""The health of sources, kept in the ledger's database.

It is what the desk has observed, not what it has done: no audit entries, and a lock of its own, so
that ingesting never waits for the order path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from tradegraph_dagster.adapters.sql.engine import open_engine, reading, writing
from tradegraph_dagster.adapters.sql.tables import SOURCE_HEALTH
from tradegraph_dagster.domain.market_data.health import DataKind, SourceHealth

_COLUMNS = [column for column in SOURCE_HEALTH.columns if column.name != "market"]


class SqlSourceHealth:
    """A SourceHealthBook of one market."""

    def __init__(self, engine: Engine, market: str) -> None:
        self.engine = engine
        self._market = market

    def read(self, data: DataKind) -> Mapping[str, SourceHealth]:
        """Source -> its health for one kind of data."""
        query = select(*_COLUMNS).where(
            SOURCE_HEALTH.c.market == self._market, SOURCE_HEALTH.c.data == data.value
        )
        with reading(self.engine) as connection:
            return {row.source: _to_health(row) for row in connection.execute(query)}

    def update(
        self, source: str, data: DataKind, change: Callable[[SourceHealth], SourceHealth]
    ) -> SourceHealth:
        """Read, change and write in one transaction that holds the lock."""
        with writing(self.engine, f"source health of {self._market}") as connection:
            stored = self._stored(connection, source, data)
            health = change(stored or SourceHealth(source, data))
            values = {**asdict(health), "data": data.value}
            if stored is None:
                row = {"market": self._market, **values}
                connection.execute(insert(SOURCE_HEALTH).values(row))
            else:
                key = self._key(source, data)
                connection.execute(update(SOURCE_HEALTH).where(*key).values(values))
        return health

    def _key(self, source: str, data: DataKind) -> tuple[Any, ...]:
        return (
            SOURCE_HEALTH.c.market == self._market,
            SOURCE_HEALTH.c.source == source,
            SOURCE_HEALTH.c.data == data.value,
        )

    def _stored(self, connection: Connection, source: str, data: DataKind) -> SourceHealth | None:
        query = select(*_COLUMNS).where(*self._key(source, data))
        row = connection.execute(query).one_or_none()
        return None if row is None else _to_health(row)


def open_source_health(url: str, *, market: str) -> SqlSourceHealth:
    """The health of a market's sources; nothing is connected until it is used.

    Args:
        url: Of the ledger's database, whose schema exists.
        market: Name of the market.

    Raises:
        ConfigError: The URL cannot be used.
    """
    return SqlSourceHealth(open_engine(url), market)


def _to_health(row: Row[Any]) -> SourceHealth:
    fields = row._asdict()
    return SourceHealth(**{**fields, "data": DataKind(fields["data"])})
