"""The floor of what a ledger writes: the same rows again, without keys, triggers or questions."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from uuid import uuid4

from sqlalchemy import Column, Engine, MetaData, Table, insert, select


def copy_seconds(engine: Engine, tables: Sequence[Table], market: str) -> float:
    """Seconds for a market's rows of the tables in one transaction, the commit included."""
    copies = [(_bare(engine, table), _rows(engine, table, market)) for table in tables]
    started = perf_counter()
    with engine.begin() as connection:
        for copy, rows in copies:
            if rows:
                connection.execute(insert(copy), rows)
    return perf_counter() - started


def commits_a_second(engine: Engine, table: Table, market: str, count: int) -> float:
    """Transactions a second of one row each: what the disk allows a single writer."""
    copy, row = _bare(engine, table), _rows(engine, table, market)[-1]
    started = perf_counter()
    for _ in range(count):
        with engine.begin() as connection:
            connection.execute(insert(copy), row)
    return count / (perf_counter() - started)


def _bare(engine: Engine, table: Table) -> Table:
    columns = (Column(column.name, column.type) for column in table.columns)
    copy = Table(f"bare_{table.name}_{uuid4().hex[:8]}", MetaData(), *columns)
    copy.create(engine)
    return copy


def _rows(engine: Engine, table: Table, market: str) -> list[dict[str, object]]:
    with engine.connect() as connection:
        found = connection.execute(select(table).where(table.c.market == market))
        return [dict(row) for row in found.mappings()]
