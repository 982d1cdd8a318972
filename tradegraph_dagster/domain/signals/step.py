"""The signal steps: forecasts of any range of sessions, and target weights forward in time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

import tradegraph_dagster.domain.signals.strategies as strategies
from tradegraph_dagster.domain.core.catalogue import load_entry
from tradegraph_dagster.domain.core.errors import (
    FeatureMismatch,
    MissingSession,
    NoChampion,
    TradeGraphError,
)
from tradegraph_dagster.domain.core.frame_store import (
    StepReport,
    Written,
    split_ready,
    write_sessions,
)
from tradegraph_dagster.domain.core.frames import conform_frame
from tradegraph_dagster.domain.features.schema import FEATURES, FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ports import ModelRegistry
from tradegraph_dagster.domain.models.schema import Forecaster, ModelVersion
from tradegraph_dagster.domain.models.step import load_version
from tradegraph_dagster.domain.registry.history import (
    champion_as_of,
    champion_at,
    champion_history,
)
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS, Strategy
from tradegraph_dagster.domain.signals.score import features_to_forecasts
from tradegraph_dagster.domain.universe.schema import UNIVERSE

logger = logging.getLogger(__name__)

_HOLDINGS = {"symbol": pl.String, "weight_frac": pl.Float64, "held_sessions": pl.Int32}


def forecast_sessions(
    ws: Workspace,
    *,
    registry: ModelRegistry,
    feature_set: FeatureSet,
    sessions: Sequence[date],
) -> StepReport:
    """Score the universe of each session with the model that was champion as of it.

    Each model is loaded once. A session is scored on its own, so that its forecasts do not depend
    on the range they were asked in. Sessions without inputs, without a champion, or whose champion
    reads another feature set version than the one offered, are withheld.

    Raises:
        CorruptPartition: A model file is missing or has changed.
    """
    logger.info("forecast_sessions start sessions=%d", len(sessions))
    needs = {table: lambda session: [session] for table in (FEATURES, UNIVERSE.name)}
    ready, withheld = split_ready(ws.store, needs, sessions, table=FORECASTS.name)
    history = champion_history(ws)
    models: dict[str, tuple[Forecaster, ModelVersion]] = {}
    written: list[Written] = []
    for session in ready:
        version = champion_at(history, session)
        if version is None:
            withheld[session] = NoChampion(
                "no promoted model is effective; promote one in a month before",
                table=FORECASTS.name,
                session=session,
            )
            continue
        if version not in models:
            models[version] = load_version(registry, version)
        forecaster, model = models[version]
        if model.feature_set_version != feature_set.version:
            withheld[session] = _other_features(model, feature_set, session)
            continue
        scores = features_to_forecasts(
            ws.store.read(feature_set.schema, [session]),
            ws.store.read(UNIVERSE, [session]),
            forecaster,
            version,
        )
        written += write_sessions(ws.store, FORECASTS, scores, [session])
    logger.info("forecast_sessions done written=%d withheld=%d", len(written), len(withheld))
    return StepReport(tuple(written), withheld)


def weigh_sessions(
    ws: Workspace, *, strategy: str, params: Mapping[str, Any], sessions: Sequence[date]
) -> StepReport:
    """Turn forecasts into target weights, each session from the portfolio before it.

    Goes forward in time whatever the order asked. The portfolio before t is that of the newest
    earlier session with target weights, empty before the first. A session with forecasts but
    without target weights in between withholds t, because a portfolio must not skip a decision.

    Raises:
        ConfigError: An unknown strategy or parameter.
    """
    logger.info("weigh_sessions start strategy=%s sessions=%d", strategy, len(sessions))
    entry: Strategy = load_entry(strategies, strategy, "STRATEGY")
    needs = {table: lambda session: [session] for table in (FORECASTS.name, UNIVERSE.name)}
    ready, withheld = split_ready(ws.store, needs, sorted(sessions), table=TARGET_WEIGHTS.name)
    forecast, weighed = (
        set(ws.store.partitions(table.name)) for table in (FORECASTS, TARGET_WEIGHTS)
    )
    written: list[Written] = []
    for session in ready:
        previous = max((day for day in weighed if day < session), default=date.min)
        gap = sorted(day for day in forecast if previous < day < session)
        if gap:
            withheld[session] = _waits_for(gap[0], session)
            continue
        weights = _weigh_one(ws, entry, params, session, previous=previous)
        written += write_sessions(ws.store, TARGET_WEIGHTS, weights, [session], _weight_facts)
        weighed.add(session)
    logger.info("weigh_sessions done written=%d withheld=%d", len(written), len(withheld))
    return StepReport(tuple(written), withheld)


def _other_features(model: ModelVersion, feature_set: FeatureSet, session: date) -> FeatureMismatch:
    return FeatureMismatch(
        f"expected features {model.feature_set_version} of champion {model.version}, found "
        f"{feature_set.version}; train on these with `tradegraph backfill --retrain` from "
        f"{session.replace(day=1)} to the newest session, or configure the old set",
        table=FORECASTS.name,
        session=session,
    )


def _weigh_one(
    ws: Workspace, strategy: Strategy, params: Mapping[str, Any], session: date, *, previous: date
) -> pl.DataFrame:
    forecasts = ws.store.read(FORECASTS, [session])
    universe = ws.store.read(UNIVERSE, [session])
    holdings = pl.DataFrame(schema=_HOLDINGS)
    if previous > date.min:
        holdings = ws.store.read(TARGET_WEIGHTS, [previous]).select(*_HOLDINGS)
    candidates = universe.join(forecasts.select("symbol", "score"), on="symbol", how="left").select(
        "symbol", "score", "is_member", "is_suspended"
    )
    target = strategy.weigh(candidates.sort("symbol"), holdings, params)
    version = _model_version(ws, forecasts, session)
    return conform_frame(
        target.join(forecasts.select("symbol", "score"), on="symbol", how="left").with_columns(
            session=pl.lit(session), model_version=pl.lit(version)
        ),
        TARGET_WEIGHTS,
    )


def _model_version(ws: Workspace, forecasts: pl.DataFrame, session: date) -> str:
    if forecasts.height:
        version: str = forecasts["model_version"][0]
        return version
    # Nothing was scored; the kept names still belong to the champion of the session.
    return champion_as_of(ws, session) or ""


def _waits_for(gap: date, session: date) -> TradeGraphError:
    return MissingSession(
        f"expected target weights of {gap}, which has forecasts, found none; a portfolio cannot "
        f"skip a session: materialise target_weights of {gap} first",
        table=TARGET_WEIGHTS.name,
        session=session,
    )


def _weight_facts(weights: pl.DataFrame) -> dict[str, float | int | str]:
    return {
        "invested_frac": float(weights["weight_frac"].sum()),
        "new_names": int((weights["held_sessions"] == 1).sum()),
    }
