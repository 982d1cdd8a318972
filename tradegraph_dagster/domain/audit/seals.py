"""Partitions of the lake against the fingerprints that were written down when they were used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

import polars as pl

from tradegraph_dagster.domain.audit.trace_tree import Agreement, TraceNode
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.core.fingerprint import frame_fingerprint
from tradegraph_dagster.domain.core.frame_store import FrameStore
from tradegraph_dagster.domain.core.frames import FrameSchema

Place = tuple[str, date]


class SealedLake:
    """Reads the rows of one symbol, and says how each partition agrees."""

    def __init__(
        self,
        store: FrameStore,
        symbol: str,
        *,
        sealed: Mapping[Place, str],
        used: Mapping[Place, str],
    ) -> None:
        """Read from a lake.

        Args:
            store: The lake.
            symbol: Whose rows are wanted.
            sealed: (table, partition) -> fingerprint by the audit chain.
            used: (table, partition) -> fingerprint by the decision that read it.
        """
        self._store = store
        self._symbol = symbol
        self._seals = (("the audit chain", sealed), ("the decision", used))
        self._partitions = cache(store.partitions)

    def node(
        self, schema: FrameSchema, partition: date, *columns: str, **facts: str
    ) -> tuple[TraceNode, pl.DataFrame]:
        """The partition as a step of a trace, and the symbol's rows in it.

        Args:
            schema: The table.
            partition: Which one.
            columns: Values of the symbol's newest row to show.
            facts: What else to show.
        """
        name = partition.isoformat()
        if partition not in self._partitions(schema.name):
            problem = f"{schema.name} of {name} is not in the lake"
            node = TraceNode(schema.name, name, Agreement.MISSING, facts, (problem,))
            return node, schema.empty()
        recorded = self._store.fingerprint(schema.name, partition)
        facts = {"fingerprint": recorded, **facts}
        try:
            frame = self._store.read(schema, [partition])
        except TradeGraphError as error:
            node = TraceNode(schema.name, name, Agreement.MISMATCH, facts, (str(error),))
            return node, schema.empty()
        rows = frame
        if "symbol" in frame.columns:
            rows = frame.filter(pl.col("symbol") == self._symbol)
            facts |= row_facts(rows, columns) if columns else {}
        problems = self._problems((schema.name, partition), recorded, frame_fingerprint(frame))
        agreement = self._agreement((schema.name, partition), problems)
        return TraceNode(schema.name, name, agreement, facts, problems), rows

    def _problems(self, place: Place, recorded: str, content: str) -> tuple[str, ...]:
        table, partition = place
        problems = []
        if content != recorded:
            problems.append(
                f"{table} of {partition}: the rows hash to {content}, the file says {recorded}"
            )
        for who, seals in self._seals:
            written = seals.get(place, content)
            if written not in (content, recorded):
                problems.append(
                    f"{table} of {partition}: {who} has {written}, the lake has {content}"
                )
        return tuple(problems)

    def _agreement(self, place: Place, problems: tuple[str, ...]) -> Agreement:
        if problems:
            return Agreement.MISMATCH
        is_written = any(place in seals for _, seals in self._seals)
        return Agreement.MATCH if is_written else Agreement.UNSEALED


def row_facts(rows: pl.DataFrame, columns: tuple[str, ...]) -> dict[str, str]:
    """Columns of the last row as text; `row` says so where there is none."""
    if not rows.height:
        return {"row": "none"}
    row: dict[str, Any] = rows.row(-1, named=True)
    return {name: str(row[name]) for name in columns}
