"""The evaluation and promotion steps, one month a call."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import polars as pl

from tradegraph_dagster.domain.core.errors import FeatureMismatch, MissingSession
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.core.frames import FrameSchema, conform_frame
from tradegraph_dagster.domain.datasets.schema import ENTRY_SESSIONS, Dataset, LabelSpan
from tradegraph_dagster.domain.datasets.step import load_dataset
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.candidate import dataset_to_labels, dataset_to_scores
from tradegraph_dagster.domain.models.ic import mean_with_error, tradable_ics
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
)
from tradegraph_dagster.domain.models.window import effective_session, last_training_session
from tradegraph_dagster.domain.registry.history import champion_as_of, champion_history
from tradegraph_dagster.domain.registry.promotion import (
    CANDIDATE,
    CHAMPION_ROLE,
    evaluations_to_verdict,
    wrong_versions,
)
from tradegraph_dagster.domain.registry.schema import CHAMPION, PromotionPolicy, PromotionVerdict

logger = logging.getLogger(__name__)


def evaluate_month(
    ws: Workspace, *, month: date, registry: ModelRegistry, plan: TrainingPlan, min_names: int
) -> Written:
    """Score the candidate and the champion before it on the candidate's test block and horizon.

    The IC is taken over all names with a label, and over those that could be bought at their entry.
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
    return Written(month, rows.height, fingerprint, _means(rows, _span(ws, candidate)))


def promote_month(
    ws: Workspace,
    *,
    month: date,
    policy: PromotionPolicy,
    registry: ModelRegistry,
    blocked: str | None = None,
) -> Written:
    """Decide who trades from the month's first session, write it, and move the alias.

    A candidate that is not promoted leaves the champion before it in place, or nobody. The alias
    follows the newest month of the table, also when an older one is decided again.

    Args:
        ws: Market and lake.
        month: First day of the month to decide for.
        policy: What a candidate must show.
        registry: Where the alias is.
        blocked: Why no candidate may be promoted now.

    Raises:
        MissingSession: The month has no candidate or evaluation yet, or the evaluation is of other
            models than the candidate and the champion before it.
        CorruptPartition: The candidate's file is missing or has changed.
    """
    logger.info("promote_month start month=%s", month)
    candidate = _candidate_row(ws, month)
    evaluation = _read_month(ws, EVALUATION, month)
    _, model = registry.fetch(candidate["model_version"])
    incumbent = _incumbent(ws, month)
    rival = _rival(registry, incumbent, model)
    _require_versions(evaluation, month, model, rival)
    verdict = evaluations_to_verdict(
        evaluation,
        policy,
        is_contested=rival is not None,
        blocked=blocked,
        overlap=_span(ws, candidate).overlap,
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


def _candidate_row(ws: Workspace, month: date) -> dict[str, Any]:
    return _read_month(ws, CANDIDATE_MODEL, month).row(0, named=True)


def _read_month(ws: Workspace, schema: FrameSchema, month: date) -> pl.DataFrame:
    if month not in ws.store.partitions(schema.name):
        raise MissingSession(
            "the month has not been made yet; materialise it first",
            table=schema.name,
            session=month,
        )
    return ws.store.read(schema, [month])


def _incumbent(ws: Workspace, month: date) -> str | None:
    # As of the last session before the month: its own decision is effective only after that.
    return champion_as_of(ws, last_training_session(ws.calendar, month))


def _rival(
    registry: ModelRegistry, incumbent: str | None, candidate: ModelVersion
) -> ModelVersion | None:
    """The incumbent, if it can be compared with the candidate."""
    if incumbent is None:
        return None
    _, model = registry.fetch(incumbent)
    return model if model.feature_set_version == candidate.feature_set_version else None


def _require_versions(
    evaluation: pl.DataFrame, month: date, candidate: ModelVersion, rival: ModelVersion | None
) -> None:
    wrong = wrong_versions(evaluation, candidate.version, rival)
    if wrong is not None:
        raise MissingSession(
            f"{wrong}; materialise evaluation of the month again",
            table=EVALUATION.name,
            session=month,
        )


def _test_rows(ws: Workspace, candidate: dict[str, Any], plan: TrainingPlan) -> Dataset:
    feature_set = load_feature_set(plan.feature_set)
    if feature_set.version != candidate["feature_set_version"]:
        raise FeatureMismatch(
            f"expected features {candidate['feature_set_version']} of the candidate, found "
            f"{feature_set.version}; train the month again, `tradegraph backfill --retrain`",
            table=EVALUATION.name,
            session=candidate["month"],
        )
    span = _span(ws, candidate)
    learnable = learnable_sessions(ws, span)
    block = ws.calendar.between(candidate["test_first"], candidate["test_last"])
    days = tuple(day for day in block if day in learnable)
    return load_dataset(ws, feature_set, days, span=span)


def _unseen_ics(
    forecaster: Forecaster, model: ModelVersion, dataset: Dataset, *, min_names: int
) -> pl.DataFrame:
    scores = dataset_to_scores(dataset, forecaster.predict(dataset.x))
    unseen = scores.filter(pl.col("session") > model.trained_through)
    return tradable_ics(unseen, dataset_to_labels(dataset), min_names=min_names)


def _span(ws: Workspace, candidate: dict[str, Any]) -> LabelSpan:
    """The labels that the candidate learned, by which it is judged."""
    if candidate["horizon_sessions"] is not None:
        return LabelSpan.of_horizon(candidate["horizon_sessions"])
    # A month from before the horizon was kept: the label of the last valid session reads closes
    # through trained_through, which is its exit.
    seen = ws.calendar.between(candidate["valid_last"], candidate["trained_through"])
    return LabelSpan(ENTRY_SESSIONS, len(seen) - 1)


def _means(rows: pl.DataFrame, span: LabelSpan) -> dict[str, float | int | str]:
    facts: dict[str, float | int | str] = {}
    for role in (CANDIDATE, CHAMPION_ROLE):
        part = rows.filter(pl.col("role") == role)
        mean, error, sessions = mean_with_error(part["rank_ic"], overlap=span.overlap)
        facts[f"{role}_sessions"] = sessions
        if mean is not None:
            facts[f"{role}_rank_ic"] = mean
        if error is not None:
            facts[f"{role}_rank_ic_se"] = error
        tradable = mean_with_error(part["tradable_rank_ic"]).mean
        if tradable is not None:
            facts[f"{role}_tradable_rank_ic"] = tradable
    return facts


def _champion_row(
    ws: Workspace,
    month: date,
    candidate: str,
    champion: str | None,
    verdict: PromotionVerdict,
) -> pl.DataFrame:
    row = {
        "month": month,
        "effective_from": effective_session(ws.calendar, month),
        "model_version": champion,
        "candidate_version": candidate,
        "is_promoted": verdict.is_promoted,
        "candidate_rank_ic": verdict.candidate_rank_ic,
        "candidate_rank_ic_se": verdict.candidate_rank_ic_se,
        "champion_rank_ic": verdict.champion_rank_ic,
        "reason": verdict.reason,
    }
    return conform_frame(pl.DataFrame([row], schema=CHAMPION.dtypes), CHAMPION)
