"""A small world with everything behind its fills: models, features, raw bars, a stored chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.support.ledgers import ledger_with_tables
from tests.support.make_chain import KEY, KEYS
from tests.support.trading_world import World, make_world
from tradegraph_dagster.adapters.memory.model_registry import MemoryModelRegistry
from tradegraph_dagster.adapters.sql.ledger import SqlLedger, open_ledger
from tradegraph_dagster.assets.audit import SEALED
from tradegraph_dagster.domain.audit.research import Research
from tradegraph_dagster.domain.audit.step import checkpoint_session
from tradegraph_dagster.domain.audit.trace import Sources
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.features.schema import BarGrid, FeatureSet
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL
from tradegraph_dagster.domain.registry.schema import CHAMPION

MONTH = date(2023, 1, 1)


def _no_features(grid: BarGrid) -> np.ndarray:
    return np.zeros((1, len(grid.sessions), len(grid.begins_at)), np.float32)


FEATURE_SET = FeatureSet("plain", {"nothing": "0"}, lookback=2, compute=_no_features)


@dataclass
class TracedWorld:
    """A world that has traded one session, and what a trace of it looks at."""

    world: World
    ledger: SqlLedger
    registry: MemoryModelRegistry

    @property
    def sources(self) -> Sources:
        research = Research(self.world.ws, self.registry, FEATURE_SET)
        return Sources(research, self.ledger.books, self.ledger.audit, KEYS)

    @property
    def before(self) -> date:
        """Session t: everything a decision was made from."""
        return self.world.sessions[3]

    @property
    def traded(self) -> date:
        """Session t+1."""
        return self.world.sessions[4]

    def write(self, schema: FrameSchema, partition: date, rows: list[dict[str, Any]]) -> None:
        """Replace a partition; columns that a row does not name are null."""
        frame = pl.DataFrame(rows, schema=schema.dtypes)
        self.world.ws.store.write(schema, partition, conform_frame(frame, schema))

    def seal(self, session: date) -> None:
        checkpoint_session(
            self.world.ws, session=session, audit=self.ledger.audit, keys=KEYS, tables=SEALED
        )


@contextmanager
def traced_world(folder: Path) -> Iterator[TracedWorld]:
    """Sessions 0 to 4 are settled and sealed; in session 4 AAA and BBB were bought."""
    world = make_world(folder)
    url = ledger_with_tables("sqlite", folder)
    ledger = open_ledger(url, market=world.ws.market.name, clock=world.clock, audit_key=KEY)
    world.books = ledger.books
    traced = TracedWorld(world, ledger, MemoryModelRegistry())
    _put_model(traced, folder)
    for session in world.sessions[:5]:
        _put_raw_bars(traced, session)
    world.settle(world.sessions[0])
    for session in world.sessions[:4]:
        world.put_weights(session, {"AAA": 0.2, "BBB": 0.1})
        _put_features(traced, session)
        if session > world.sessions[0]:
            world.settle(session)
        traced.seal(session)
    world.decide(traced.traded)
    world.submit(traced.traded)
    world.settle(traced.traded)
    traced.seal(traced.traded)
    yield traced
    ledger.close()


def _put_model(traced: TracedWorld, folder: Path) -> None:
    """One model, champion from the first session on; the forecasts call it version 1."""
    artifact = folder / "model.txt"
    artifact.write_text("a model")
    first = traced.world.sessions[0]
    tags = {
        "trained_through": first.isoformat(),
        "kind": "plain",
        "feature_set_version": FEATURE_SET.version,
    }
    model = traced.registry.register(artifact, tags, params={}, metrics={})
    days = [name for name in CANDIDATE_MODEL.columns if name.endswith(("_first", "_last"))]
    candidate = {
        "month": MONTH,
        "model_version": model.version,
        "artifact_sha256": model.artifact_sha256,
        "kind": model.kind,
        "feature_set_version": model.feature_set_version,
        "dataset_fingerprint": "d",
        "trained_through": first,
        "train_rows": 1,
        **dict.fromkeys(days, first),
    }
    champion = {
        "month": MONTH,
        "effective_from": first,
        "model_version": model.version,
        "candidate_version": model.version,
        "is_promoted": True,
        "reason": "the first",
    }
    traced.write(CANDIDATE_MODEL, MONTH, [candidate])
    traced.write(CHAMPION, MONTH, [champion])


def _put_features(traced: TracedWorld, session: date) -> None:
    rows = [{"session": session, "symbol": name, "nothing": 0.5} for name in ("AAA", "BBB")]
    traced.write(FEATURE_SET.schema, session, rows)


def _put_raw_bars(traced: TracedWorld, session: date) -> None:
    known_at = datetime(session.year, session.month, session.day, 8, tzinfo=UTC)
    rows = [
        {
            "session": session,
            "symbol": bar["symbol"],
            **{name: bar[f"raw_{name}"] for name in ("open", "high", "low", "close")},
            "volume": bar["volume"],
            "amount": bar["amount"],
            "is_suspended": False,
            "source": "exchange",
            "known_at": known_at,
        }
        for bar in traced.world.bars.filter(pl.col("session") == session).iter_rows(named=True)
    ]
    traced.write(RAW_BARS, session, rows)
