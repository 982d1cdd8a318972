"""A lake as it was stored before its tables had all the columns and versions they have now."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from tests.support.make_lake import LABELS_1, write_market
from tradegraph_dagster.adapters.parquet.frame_store import ParquetFrameStore
from tradegraph_dagster.domain.core.frame_store import FrameStore
from tradegraph_dagster.domain.core.frames import FrameSchema
from tradegraph_dagster.domain.datasets.schema import LABELS
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL, EVALUATION
from tradegraph_dagster.domain.performance.schema import DAILY_PNL, STRATEGY_PNL
from tradegraph_dagster.domain.risk.schema import GATE_RESULTS

ADDED = {
    CANDIDATE_MODEL.name: ("horizon_sessions",),
    DAILY_PNL.name: (
        "net_exposure_frac",
        "concentration_hhi",
        "unrealised_pnl",
        "adjustments",
        "pnl_to_date",
        "max_drawdown_frac",
        "deposits",
    ),
    EVALUATION.name: ("tradable_ic", "tradable_rank_ic", "tradable_names"),
}


def older(schema: FrameSchema) -> FrameSchema:
    """The schema without the columns it has got since, and without a version."""
    added = ADDED.get(schema.name, ())
    columns = {name: one for name, one in schema.columns.items() if name not in added}
    return replace(schema, columns=columns, version="")


def make_older(store: FrameStore, schema: FrameSchema, partitions: Sequence[date]) -> None:
    """Store partitions of a table as they would have been before."""
    before = older(schema)
    for partition in partitions:
        frame = store.read(schema, [partition]).select(list(before.columns))
        store.remove(schema.name, partition)
        store.write(before, partition, frame)


def write_older_market(lake: Path, market: str, sessions: Sequence[date]) -> None:
    """`write_market` as it was: one folder of labels, which nothing reads now, and no gates."""
    write_market(lake, market, sessions)
    store = ParquetFrameStore(lake / market)
    for schema in (CANDIDATE_MODEL, DAILY_PNL, EVALUATION):
        make_older(store, schema, sorted(store.partitions(schema.name)))
    for table in (STRATEGY_PNL, GATE_RESULTS):
        shutil.rmtree(lake / market / table.name)
    shutil.move(lake / market / LABELS_1.name, lake / market / LABELS.name)
