"""A lake of features, labels and universe with a planted signal, and the plan that trains on it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl

from tests.support.plain_market import PlainMarket
from tradegraph_dagster.adapters.memory.frame_store import MemoryFrameStore
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.datasets.schema import Dataset, SplitPlan
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.schema import TrainingPlan
from tradegraph_dagster.domain.registry.schema import CHAMPION
from tradegraph_dagster.domain.universe.schema import UNIVERSE

FIRST = date(2023, 1, 2)
MONTH = date(2023, 8, 1)
# The label of 27 July is the last that reads no close after July.
LAST_LABELLED = date(2023, 7, 27)
LAST = date(2023, 9, 15)
NAMES = tuple(f"SYM{number:03d}" for number in range(40))
INFORMED = 8
FEATURE_SET = "alpha158"

PLAN = TrainingPlan(
    kind="lightgbm",
    params={
        "num_boost_round": 30,
        "early_stopping_rounds": 10,
        "learning_rate": 0.2,
        "num_leaves": 4,
        "max_depth": 2,
        "max_bin": 31,
        "lambda_l1": 0.0,
        "lambda_l2": 10.0,
        "min_data_in_leaf": 50,
    },
    feature_set=FEATURE_SET,
    split=SplitPlan(train_sessions=80, valid_sessions=15, test_sessions=25, min_train_sessions=40),
    seed=7,
)


def alpha158() -> FeatureSet:
    return load_feature_set(FEATURE_SET)


class CopiedStore(MemoryFrameStore):
    """A lake that can be copied, so that tests share one that took long to make."""

    def put(self, schema: FrameSchema, rows: pl.DataFrame, sessions: Sequence[date]) -> None:
        """Write partitions without their fingerprints, which nobody asks for here."""
        frame = conform_frame(rows, schema)
        parts = frame.partition_by("session", as_dict=True)
        for session in sessions:
            self._frames[schema.name, session] = parts[session,]
            self._versions[schema.name, session] = schema.version

    def copied(self, *, without: Collection[date] = ()) -> CopiedStore:
        """The same partitions, less those of some sessions."""
        copy = CopiedStore()
        copy._frames = {key: one for key, one in self._frames.items() if key[1] not in without}
        copy._versions = dict(self._versions)
        return copy


def make_workspace(store: CopiedStore | None = None) -> Workspace:
    return Workspace(PlainMarket(), store or CopiedStore(), FIRST)


@cache
def _research_store(correlation: float) -> CopiedStore:
    ws = make_workspace()
    write_research(ws, ws.calendar.between(FIRST, LAST), correlation=correlation)
    return ws.store


def research(
    through: date = LAST_LABELLED, *, correlation: float = 0.3, without: Collection[date] = ()
) -> Workspace:
    """Research tables of every session up to `through`, in a store of the test's own."""
    later = make_workspace().calendar.between(through + timedelta(days=1), LAST)
    return make_workspace(_research_store(correlation).copied(without={*without, *later}))


def write_research(
    ws: Workspace, sessions: Sequence[date], *, correlation: float = 0.3, seed: int = 0
) -> None:
    """Eight normal features, the others missing; the label's correlation with the first is planted.

    The rows of a session depend on the seed and the session alone.
    """
    feature_set = alpha158()
    features, labels, universe = [], [], []
    for session in sessions:
        rng = np.random.default_rng([seed, session.toordinal()])
        x = np.full((len(NAMES), len(feature_set.definitions)), np.nan, dtype=np.float32)
        x[:, :INFORMED] = rng.normal(size=(len(NAMES), INFORMED))
        noise = rng.normal(size=len(NAMES))
        label = 0.02 * (correlation * x[:, 0] + math.sqrt(1 - correlation**2) * noise)
        keys = pl.DataFrame({"session": [session] * len(NAMES), "symbol": NAMES})
        features.append(keys.hstack(pl.DataFrame(x, schema=list(feature_set.definitions))))
        labels.append(keys.with_columns(label=label, is_entry_tradable=True))
        universe.append(make_universe(session, NAMES))
    ws.store.put(feature_set.schema, pl.concat(features), sessions)
    ws.store.put(PLAN.split.span.table, pl.concat(labels), sessions)
    ws.store.put(UNIVERSE, pl.concat(universe), sessions)


def make_universe(
    session: date, members: Sequence[str], *, suspended: Sequence[str] = ()
) -> pl.DataFrame:
    """UNIVERSE rows of one session; a suspended name is no member."""
    symbols = sorted({*members, *suspended})
    return conform_frame(
        pl.DataFrame(
            {
                "session": [session] * len(symbols),
                "symbol": symbols,
                "is_member": [symbol not in suspended for symbol in symbols],
                "is_suspended": [symbol in suspended for symbol in symbols],
                "is_st": False,
                "sessions_listed": 100,
                "mean_amount": 1e8,
            }
        ),
        UNIVERSE,
    )


def decide(
    ws: Workspace,
    month: date,
    champion: str | None,
    candidate: str,
    *,
    effective: date | None = None,
) -> None:
    """Write a CHAMPION row as the promotion of a month would."""
    row = {
        **dict.fromkeys(CHAMPION.columns),
        "month": month,
        "effective_from": effective or month,
        "model_version": champion,
        "candidate_version": candidate,
        "is_promoted": champion == candidate,
        "reason": "",
    }
    frame = pl.DataFrame([row], schema=CHAMPION.dtypes)
    ws.store.write(CHAMPION, month, conform_frame(frame, CHAMPION))


def make_dataset(
    *, sessions: int = 30, names: int = 30, features: int = 4, seed: int = 0
) -> Dataset:
    """Standard normal features; the label is half the first one, plus noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(sessions * names, features)).astype(np.float32)
    x[rng.random(x.shape) < 0.02] = np.nan
    days = np.datetime64("2024-01-01") + np.arange(sessions)
    return Dataset(
        x=x,
        y=0.5 * np.nan_to_num(x[:, 0]) + rng.normal(size=len(x)),
        is_entry_tradable=np.ones(len(x), dtype=bool),
        sessions=np.repeat(days, names),
        symbols=np.tile(np.array([f"SYM{number:03d}" for number in range(names)]), sessions),
        feature_names=tuple(f"feature_{number}" for number in range(features)),
        feature_set_version="test-1",
    )


def with_labels(dataset: Dataset, y: np.ndarray) -> Dataset:
    return replace(dataset, y=y)
