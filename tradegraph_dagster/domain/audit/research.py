"""From a target weight back to the raw bars: the part of a trace that is in the lake."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from tradegraph_dagster.domain.audit.seals import SealedLake
from tradegraph_dagster.domain.audit.trace_tree import Agreement, TraceNode, missing
from tradegraph_dagster.domain.core.errors import TradeGraphError
from tradegraph_dagster.domain.core.fingerprint import frame_fingerprint
from tradegraph_dagster.domain.corporate_actions.schema import ADJUSTED_BARS, CORPORATE_ACTIONS
from tradegraph_dagster.domain.features.schema import FeatureSet
from tradegraph_dagster.domain.market_data.schema import RAW_BARS
from tradegraph_dagster.domain.markets.workspace import Workspace
from tradegraph_dagster.domain.models.ports import ModelRegistry
from tradegraph_dagster.domain.models.schema import CANDIDATE_MODEL, ModelVersion
from tradegraph_dagster.domain.quality.schema import VALIDATED_BARS
from tradegraph_dagster.domain.registry.history import (
    champion_at,
    champion_history,
    reference_month,
)
from tradegraph_dagster.domain.signals.schema import FORECASTS, TARGET_WEIGHTS


@dataclass(frozen=True)
class Research:
    """Where the research behind a decision is.

    Attributes:
        ws: Rules and lake.
        registry: Models.
        feature_set: The configured one.
    """

    ws: Workspace
    registry: ModelRegistry
    feature_set: FeatureSet

    def window(self, session: date) -> tuple[date, ...]:
        """Sessions whose bars the features of a session are computed from, newest first."""
        return self.ws.trailing(session, self.feature_set.lookback + 1)[::-1]

    def sessions_before(self, session: date) -> tuple[date, ...]:
        """Sessions that a decision for `session` rests on, and itself."""
        return (session, *self.window(self.ws.calendar.previous(session)))


def trace_weight(research: Research, lake: SealedLake, session: date) -> TraceNode:
    """The symbol's target weight of session t and all it was made from."""
    node, rows = lake.node(
        TARGET_WEIGHTS, session, "weight_frac", "score", "held_sessions", "model_version"
    )
    if node.agreement is not Agreement.MISSING and not rows.height:
        # Nothing is wrong: the strategy no longer wants the name, and it is sold.
        node = replace(node, facts={**node.facts, "weight_frac": "0, the name leaves"})
    return replace(node, made_from=(_forecast(research, lake, session),))


def _forecast(research: Research, lake: SealedLake, session: date) -> TraceNode:
    node, rows = lake.node(FORECASTS, session, "score", "model_version")
    named = rows["model_version"][0] if rows.height else None
    champion, model = _champion(research, session, named)
    features = _features(research, lake, session, model)
    return replace(node, made_from=(champion, features))


def _champion(
    research: Research, session: date, named: str | None
) -> tuple[TraceNode, ModelVersion | None]:
    """The model that scored the session, held against the registry and its training record."""
    history = champion_history(research.ws)
    version = champion_at(history, session)
    if version is None:
        return missing("champion", "none", f"no model was champion as of {session}"), None
    month = reference_month(history, session)
    facts = {"month": str(month)}
    problems = []
    if named not in (None, version):
        problems.append(
            f"the forecast names version {named}, champion as of {session} is {version}"
        )
    try:
        _, model = research.registry.fetch(version)
    except TradeGraphError as error:
        problems.append(f"the registry: {error}")
        node = TraceNode("champion", version, Agreement.MISMATCH, facts, tuple(problems))
        return node, None
    facts |= {
        "artifact_sha256": model.artifact_sha256,
        "kind": model.kind,
        "trained_through": model.trained_through.isoformat(),
        "feature_set": model.feature_set_version,
    }
    trained = _trained_sha256(research, month)
    if trained is None:
        problems.append(f"candidate_model of {month} is not in the lake")
    elif trained != model.artifact_sha256:
        problems.append(
            f"the registry has file {model.artifact_sha256}, its training wrote {trained}"
        )
    agreement = Agreement.MISMATCH if problems else Agreement.MATCH
    return TraceNode("champion", version, agreement, facts, tuple(problems)), model


def _trained_sha256(research: Research, month: date | None) -> str | None:
    store = research.ws.store
    if month is None or month not in store.partitions(CANDIDATE_MODEL.name):
        return None
    sha256: str = store.read(CANDIDATE_MODEL, [month])["artifact_sha256"][0]
    return sha256


def _features(
    research: Research, lake: SealedLake, session: date, model: ModelVersion | None
) -> TraceNode:
    version = research.feature_set.version
    node, rows = lake.node(research.feature_set.schema, session, feature_set=version)
    facts, problems = dict(node.facts), list(node.problems)
    if rows.height:
        facts["row_fingerprint"] = frame_fingerprint(rows)
    elif node.agreement is not Agreement.MISSING:
        facts["row"] = "none"
    if model is not None and model.feature_set_version != version:
        problems.append(f"the model reads {model.feature_set_version}, configured is {version}")
    agreement = node.agreement
    if problems and agreement is not Agreement.MISSING:
        agreement = Agreement.MISMATCH
    return replace(
        node,
        agreement=agreement,
        facts=facts,
        problems=tuple(problems),
        made_from=tuple(_bars(lake, day) for day in research.window(session)),
    )


def _bars(lake: SealedLake, session: date) -> TraceNode:
    """One session's bar, back to what its source said."""
    raw, versions = lake.node(RAW_BARS, session, "source", "known_at", "close", "volume")
    raw = replace(raw, facts={**raw.facts, "versions": str(versions.height)})
    actions, events = lake.node(CORPORATE_ACTIONS, session, "source", "known_at")
    # A session without an event of the name has nothing to show, unless it is damaged.
    shown = (raw, actions) if events.height or _is_bad(actions) else (raw,)
    adjusted, _ = lake.node(ADJUSTED_BARS, session, "close", "price_factor", "is_carried")
    validated, _ = lake.node(VALIDATED_BARS, session, "close", "raw_close", "is_suspended")
    return replace(validated, made_from=(replace(adjusted, made_from=shown),))


def _is_bad(node: TraceNode) -> bool:
    return node.agreement in (Agreement.MISMATCH, Agreement.MISSING)
