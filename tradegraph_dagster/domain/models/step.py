"""The training step, one month a call.

1. `window.training_window` and `materialised` find the sessions that may be learned from.
2. `window_to_split` cuts them into purged train, valid and test blocks; `load_dataset` reads them.
3. The model kind fits on labels standardised by session; the test block is never fitted on.
4. The file is registered, which is idempotent by content, and the month's rows are written: the
   reference that drift is measured against first, the candidate last.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import tradegraph_dagster.domain.models.kinds as model_kinds
from tradegraph_dagster.domain.core.catalogue import load_entry
from tradegraph_dagster.domain.core.errors import TrainingRefused
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.datasets.assemble import standardise_label
from tradegraph_dagster.domain.datasets.schema import Dataset, LabelSpan, Split
from tradegraph_dagster.domain.datasets.splits import window_to_split
from tradegraph_dagster.domain.datasets.step import load_dataset
from tradegraph_dagster.domain.features.catalogue import load_feature_set
from tradegraph_dagster.domain.features.schema import FEATURES, FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.candidate import (
    candidate_row,
    dataset_fingerprint,
    dataset_to_labels,
    dataset_to_scores,
)
from tradegraph_dagster.domain.models.ic import mean_with_error, session_ics
from tradegraph_dagster.domain.models.ports import ModelRegistry
from tradegraph_dagster.domain.models.reference import values_to_reference
from tradegraph_dagster.domain.models.schema import (
    CANDIDATE_MODEL,
    FEATURE_REFERENCE,
    Forecaster,
    ModelKind,
    ModelVersion,
    TrainingPlan,
)
from tradegraph_dagster.domain.models.window import materialised, training_window
from tradegraph_dagster.domain.universe.schema import UNIVERSE

logger = logging.getLogger(__name__)


class _Blocks(NamedTuple):
    train: Dataset
    valid: Dataset
    test: Dataset


class _Fitted(NamedTuple):
    forecaster: Forecaster
    blocks: _Blocks
    fingerprint: str
    metrics: dict[str, float]


def train_month(
    ws: Workspace, *, month: date, plan: TrainingPlan, registry: ModelRegistry, scratch: Path
) -> Written:
    """Train the candidate for a month and write its CANDIDATE_MODEL and FEATURE_REFERENCE rows.

    Timing: reads nothing after the last session before the month. A rerun on the same lake gives
    the same file hash and version.

    Args:
        ws: Market and lake.
        month: First day of the month to train for.
        plan: What to train.
        registry: Where the model file goes.
        scratch: Existing folder for the file until it is registered.

    Raises:
        TrainingRefused: Too little history, too many sessions missing, or nothing to learn.
        ConfigError: An unknown model kind, feature set or parameter.
    """
    logger.info("train_month start month=%s kind=%s", month, plan.kind)
    kind, feature_set = _load_kind(plan.kind), load_feature_set(plan.feature_set)
    window = training_window(ws.calendar, month, plan.split, first=ws.first_session)
    usable = materialised(window, learnable_sessions(ws, plan.split.span), month)
    split = window_to_split(usable, plan.split)
    fitted = _fit(kind, plan, _load_blocks(ws, feature_set, split, month, plan.split.span))
    path = scratch / f"{plan.kind}-{ws.market.name}-{month}.model"
    kind.save(fitted.forecaster, path)
    tags = _tags(ws, month, plan, split, feature_set_version=feature_set.version)
    model = registry.register(
        path,
        {**tags, "dataset_fingerprint": fitted.fingerprint},
        params={**kind.defaults, **plan.params},
        metrics=fitted.metrics,
    )
    path.unlink()
    written = _write(ws, month, model, split, fitted, plan.split.span)
    logger.info("train_month done month=%s version=%s", month, model.version)
    facts = {**written.facts, "missing_sessions": len(window) - len(usable)}
    return replace(written, facts=facts)


def load_version(registry: ModelRegistry, version: str) -> tuple[Forecaster, ModelVersion]:
    """A registered model, ready to predict.

    Raises:
        CorruptPartition: Its file is missing, has changed or holds no model.
    """
    path, model = registry.fetch(version)
    return _load_kind(model.kind).load(path), model


def learnable_sessions(ws: Workspace, span: LabelSpan) -> frozenset[date]:
    """Sessions whose features, labels of a span and universe are all in the lake."""
    tables = (FEATURES, span.table.name, UNIVERSE.name)
    return frozenset.intersection(*(ws.store.partitions(table) for table in tables))


def _load_kind(name: str) -> ModelKind:
    kind: ModelKind = load_entry(model_kinds, name, "KIND")
    return kind


def _load_blocks(
    ws: Workspace, feature_set: FeatureSet, split: Split, month: date, span: LabelSpan
) -> _Blocks:
    blocks = _Blocks(
        *(
            load_dataset(ws, feature_set, days, span=span)
            for days in (split.train, split.valid, split.test)
        )
    )
    for name, block in blocks._asdict().items():
        if len(block.y) == 0:
            raise TrainingRefused(
                f"expected rows in the {name} block, found none: no name of the universe has "
                "features and a label there",
                table=CANDIDATE_MODEL.name,
                session=month,
            )
    return blocks


def _fit(kind: ModelKind, plan: TrainingPlan, blocks: _Blocks) -> _Fitted:
    train, valid = standardise_label(blocks.train), standardise_label(blocks.valid)
    forecaster = kind.fit(train, valid, plan.params, plan.seed)
    ics = session_ics(
        dataset_to_scores(blocks.valid, forecaster.predict(blocks.valid.x)),
        dataset_to_labels(blocks.valid),
        min_names=2,
    )
    rank_ic = mean_with_error(ics["rank_ic"]).mean
    metrics = {"train_rows": float(len(blocks.train.y))}
    if rank_ic is not None:
        metrics["valid_rank_ic"] = rank_ic
    fingerprint = dataset_fingerprint(blocks.train, blocks.valid)
    return _Fitted(forecaster, blocks, fingerprint, metrics)


def _tags(
    ws: Workspace, month: date, plan: TrainingPlan, split: Split, *, feature_set_version: str
) -> dict[str, str]:
    # The fit has seen the closes that the label of the last valid session reads, and none after.
    seen = ws.calendar.shift(split.valid[-1], plan.split.span.exit)
    return {
        "trained_through": seen.isoformat(),
        "kind": plan.kind,
        "feature_set_version": feature_set_version,
        "horizon_sessions": str(plan.split.horizon_sessions),
        "market": ws.market.name,
        "month": month.isoformat(),
        "seed": str(plan.seed),
    }


def _write(
    ws: Workspace,
    month: date,
    model: ModelVersion,
    split: Split,
    fitted: _Fitted,
    span: LabelSpan,
) -> Written:
    train, test = fitted.blocks.train, fitted.blocks.test
    series = {("feature", name): train.x[:, at] for at, name in enumerate(train.feature_names)}
    # Scores of rows that were fitted on spread wider than any later forecast; test rows do not.
    series["score", ""] = fitted.forecaster.predict(test.x)
    ws.store.write(FEATURE_REFERENCE, month, values_to_reference(month, series))
    row = candidate_row(
        month,
        model,
        split,
        span=span,
        fingerprint=fitted.fingerprint,
        train_rows=len(train.y),
    )
    facts: dict[str, float | int | str] = {
        "model_version": model.version,
        "artifact_sha256": model.artifact_sha256,
        "trained_through": model.trained_through.isoformat(),
        **fitted.metrics,
    }
    return Written(month, row.height, ws.store.write(CANDIDATE_MODEL, month, row), facts)
