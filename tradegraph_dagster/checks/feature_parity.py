"""Stored features of past sessions against those recomputed from today's lake."""

from datetime import date

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph

SPOT_SESSIONS = 5
_LINES_SHOWN = 10


def parity_check(graph: MarketGraph) -> dg.AssetChecksDefinition:
    """The check of one market: the newest session of the run and others drawn before it.

    A newest session that has no features fails it: the others say nothing of the run.
    """

    @dg.asset_check(
        asset=graph.key("features"),
        name="features_as_recomputed",
        description="Stored features of past sessions have the bits that today's lake gives.",
        partitions_def=graph.sessions,
        required_resource_keys={"desks"},
    )
    def body(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from tradegraph_dagster.domain.features import parity
        from tradegraph_dagster.domain.features.schema import FEATURES

        desk = context.resources.desks[graph.name]
        newest = max(date.fromisoformat(key) for key in context.partition_keys)
        stored = desk.workspace.store.partitions(FEATURES)
        days = parity.spot_sessions(stored, newest, SPOT_SESSIONS)
        is_stored = newest in days
        found = list(parity.verify_features(desk.workspace, desk.feature_set, days))
        wrong = [one for one in found if one.outcome is not parity.Outcome.EQUAL]
        # A bar restated or not validated yet is what data does; anything else is a fault of ours.
        is_restated = all(one.outcome in parity.RESTATED for one in wrong)
        lines = [line for one in wrong for line in parity.parity_lines(one)]
        return dg.AssetCheckResult(
            passed=is_stored and not wrong,
            severity=dg.AssetCheckSeverity.WARN if is_restated else dg.AssetCheckSeverity.ERROR,
            description=None if is_stored else f"no features of {newest} are stored",
            metadata={
                "sessions": ", ".join(str(one.session) for one in found) or "none",
                "first": "\n".join(lines[:_LINES_SHOWN]) or "none",
                "what to do": "docs/runbooks/features-differ.md",
            },
        )

    return body
