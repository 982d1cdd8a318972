"""The evaluation and promotion steps, one month a call."""

from __future__ import annotations

import logging
from datetime import date

import polars as pl

from tradegraph_dagster.domain.core.errors import FeatureMismatch, MissingSession, TrainingRefused
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.datasets.schema import Dataset
from tradegraph_dagster.domain.datasets.step import load_dataset
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.candidate import dataset_to_labels, dataset_to_scores
from tradegraph_dagster.domain.models.ic import mean_with_error, session_ics
from tradegraph_dagster.domain.models.ports import ModelRegistry
from tradegraph_dagster.domain.models.schema import (
    CANDIDATE_MODEL,
    EVALUATION,
    Forecaster,
    ModelVersion,
    TrainingPlan,
)
from tradegraph_dagster.domain.models.step import (
    learnable_sessions,
    load_version,
    resolve_feature_set,
)
from tradegraph_dagster.domain.models.window import effective_session, last_training_session
from tradegraph_dagster.domain.registry.history import champion_as_of, champion_history
from tradegraph_dagster.domain.registry.promotion import (
    CANDIDATE,
    CHAMPION_ROLE,
    evaluations_to_verdict,
)
from tradegraph_dagster.domain.registry.schema import CHAMPION, PromotionPolicy, PromotionVerdict

logger = logging.getLogger(__name__)


def evaluate_month(
    ws: Workspace, *, month: date, registry: ModelRegistry, plan: TrainingPlan, min_names: int
) -> Written:
    """Score the candidate and the champion before it on the candidate's test block.

    Sessions that a model has seen are left out for that model, and so for the comparison. A
    champion that reads another feature set version cannot be scored and gets no rows.

    Raises:
        MissingSession: The month has no candidate yet.
        FeatureMismatch: The plan's feature set is not the one the candidate was trained on.
        CorruptPartition: A model file is missing or has changed.
    """
    logger.info("evaluate_month start month=%s", month)
    candidate = _candidate_row(ws, month)
    dataset = _test_rows(ws, candidate, plan)
    models = [(CANDIDATE, candidate["model_version"])]
    incumbent = _incumbent(ws, month)
    if incumbent is not None:
        models.append((CHAMPION_ROLE, incumbent))
    frames = []
    for role, version in models:
        forecaster, model = load_version(registry, version)
        if model.feature_set_version == dataset.feature_set_version:
            ics = _unseen_ics(forecaster, model, dataset, min_names=min_names)
            frames.append(
                ics.with_columns(
                    month=pl.lit(month), role=pl.lit(role), model_version=pl.lit(version)
                )
            )
    rows = conform_frame(pl.concat(frames), EVALUATION)
    fingerprint = ws.store.write(EVALUATION, month, rows)
    logger.info("evaluate_month done month=%s rows=%d", month, rows.height)
    return Written(month, rows.height, fingerprint, _means(rows))


def promote_month(
    ws: Workspace,
    *,
    month: date,
    policy: PromotionPolicy,
    registry: ModelRegistry,
    blocked: str | None = None,
) -> Written:
    """Decide who trades from the session after the month's last, write it, and move the alias.

    A candidate that is not promoted leaves the champion before it in place, or nobody. The alias
    follows the newest month of the table, also when an older one is decided again.

    Args:
        ws: Market and lake.
        month: First day of the training month.
        policy: What a candidate must show.
        registry: Where the alias is.
        blocked: Why no candidate may be promoted now.

    Raises:
        MissingSession: The month has no candidate or evaluation yet.
        CorruptPartition: The candidate's file is missing or has changed.
    """
    logger.info("promote_month start month=%s", month)
    candidate = _candidate_row(ws, month)
    evaluation = _read_month(ws, EVALUATION, month)
    _, model = registry.fetch(candidate["model_version"])
    incumbent = _incumbent(ws, month)
    verdict = evaluations_to_verdict(
        evaluation,
        policy,
        is_contested=_can_compete(registry, incumbent, model),
        blocked=blocked,
        overlap=_label_overlap(ws, candidate),
    )
    champion = model.version if verdict.is_promoted else incumbent
    row = _champion_row(ws, month, candidate["model_version"], champion, verdict)
    fingerprint = ws.store.write(CHAMPION, month, row)
    newest = champion_history(ws)["model_version"][-1]
    if newest is not None and newest != registry.champion():
        registry.set_champion(newest)
    logger.info("promote_month done month=%s champion=%s", month, champion)
    facts = {
        "is_promoted": str(verdict.is_promoted).lower(),
        "champion": champion or "none",
        "candidate": model.version,
        "reason": verdict.reason,
    }
    return Written(month, row.height, fingerprint, facts)


def _candidate_row(ws: Workspace, month: date) -> dict[str, object]: ...
