"""The weekly check that no feature of the newest sessions reads the bars after them."""

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph

CAUSALITY_CHECK = "features_read_no_future"
_FINDINGS_SHOWN = 10


def causality_check(graph: MarketGraph) -> dg.AssetChecksDefinition:
    """The check of one market; it has a job and a schedule of its own.

    It has no partitions, as it looks at what is newest in the lake: Dagster knows none in a job
    that holds only checks.
    """

    @dg.asset_check(
        asset=graph.key("features"),
        name=CAUSALITY_CHECK,
        description="Features of the newest sessions keep their bits when later bars are withheld.",
        required_resource_keys={"desks"},
    )
    def body(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from tradegraph_dagster.domain.features.causality_lake import audit_newest_sessions

        desk = context.resources.desks[graph.name]
        report = audit_newest_sessions(desk.workspace, desk.feature_set)
        moved = report.findings
        return dg.AssetCheckResult(
            passed=report.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=None if report.values else "no two newest sessions have their bars",
            metadata={
                "feature_set": desk.feature_set.version,
                "values": report.values,
                "features": ", ".join(finding.column for finding in moved) or "none",
                "first": "\n".join(str(one) for one in moved[:_FINDINGS_SHOWN]) or "none",
                "what to do": "docs/how-to/prove-causality.md",
            },
        )

    return body
