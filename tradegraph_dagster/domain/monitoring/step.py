"""The drift step: one session's window against the champion's reference."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from tradegraph_dagster.domain.core.errors import MissingSession, NoChampion
from tradegraph_dagster.domain.core.frame_store import Written
from tradegraph_dagster.domain.datasets.schema import LabelSpan
from tradegraph_dagster.domain.features.schema import FEATURES, FeatureSet
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ic import MeanWithError, mean_with_error, session_ics
from tradegraph_dagster.domain.models.schema import FEATURE_REFERENCE
from tradegraph_dagster.domain.monitoring.drift import drift_level, features_to_drift
from tradegraph_dagster.domain.monitoring.schema import DRIFT_REPORT, DriftPolicy
from tradegraph_dagster.domain.registry.history import (
    champion_at,
    champion_history,
    reference_month,
)
from tradegraph_dagster.domain.signals.schema import FORECASTS
from tradegraph_dagster.domain.universe.schema import UNIVERSE

logger = logging.getLogger(__name__)


def report_drift(
    ws: Workspace, *, session: date, policy: DriftPolicy, feature_set: FeatureSet, span: LabelSpan
) -> Written:
    """Compare the window that ends at `session` with what its champion learned from.

    Features and scores are those of the universe's members, as in training; scores only those of
    the champion itself. The RankIC is that of whatever was forecast, over a window as long that
    ends where labels are made, however long their span. Sessions that the gates withheld are left
    out; `session` itself must exist.

    Timing: reads nothing after `session`. The label of t is known once t + `span.exit` has closed,
    but made after that session's report, so it counts from the next session on; later ones change
    nothing, however often the report is made again.

    Raises:
        NoChampion: No promoted model is effective on the session.
        MissingSession: The session's features, universe or forecasts, or the champion's reference,
            do not exist.
        FeatureMismatch: The champion reads another feature set.
    """
    logger.info("report_drift start session=%s", session)
    history = champion_history(ws)
    champion, month = champion_at(history, session), reference_month(history, session)
    if champion is None or month is None:
        raise NoChampion(
            "no promoted model is effective, so there is nothing to compare with",
            table=DRIFT_REPORT.name,
            session=session,
        )
    window = _window(ws, session, policy)
    forecasts = ws.store.read(FORECASTS, window).filter(pl.col("model_version") == champion)
    report = features_to_drift(
        session,
        {**_feature_values(ws, feature_set, window), ("score", ""): forecasts["score"].to_numpy()},
        ws.store.read(FEATURE_REFERENCE, [month]),
        rank_ic=_realised_rank_ic(ws, session, policy, span),
        policy=policy,
    )
    fingerprint = ws.store.write(DRIFT_REPORT, session, report)
    level = drift_level(report)
    logger.info("report_drift done session=%s level=%s", session, level)
    facts: dict[str, float | int | str] = {
        "level": level,
        "champion": champion,
        "window_sessions": len(window),
    }
    return Written(session, report.height, fingerprint, facts)


def _window(ws: Workspace, session: date, policy: DriftPolicy) -> tuple[date, ...]:
    tables = (FEATURES, UNIVERSE.name, FORECASTS.name)
    present = frozenset.intersection(*(ws.store.partitions(table) for table in tables))
    if session not in present:
        raise MissingSession(
            f"expected {', '.join(tables)} of the session; materialise them first",
            table=DRIFT_REPORT.name,
            session=session,
        )
    return tuple(day for day in ws.trailing(session, policy.window_sessions) if day in present)


def _feature_values(
    ws: Workspace, feature_set: FeatureSet, window: Sequence[date]
) -> dict[tuple[str, str], np.ndarray]:
    members = ws.store.read(UNIVERSE, window).filter("is_member").select("session", "symbol")
    rows = ws.store.read(feature_set.schema, window).join(
        members, on=["session", "symbol"], how="semi"
    )
    return {("feature", name): rows[name].to_numpy() for name in feature_set.definitions}


def _realised_rank_ic(
    ws: Workspace, session: date, policy: DriftPolicy, span: LabelSpan
) -> MeanWithError:
    """Over the newest sessions whose labels are made before the report of `session`."""
    # Those of t are made after the close of t + exit, and after that session's own report.
    age = span.exit + 1
    labelled = ws.trailing(session, policy.window_sessions + age)[:-age]
    made = ws.store.partitions(span.table.name) & ws.store.partitions(FORECASTS.name)
    days = tuple(day for day in labelled if day in made)
    ics = session_ics(
        ws.store.read(FORECASTS, days),
        ws.store.read(span.table, days),
        min_names=policy.min_names,
    )
    return mean_with_error(ics["rank_ic"], overlap=span.overlap)
