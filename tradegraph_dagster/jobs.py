"""Named selections of the graph, a handful a market."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph

BARS = (
    "instruments",
    "raw_bars",
    "vendor_findings",
    "corporate_actions",
    "adjusted_bars",
    "bar_findings",
    "quarantined_bars",
    "validated_bars",
)
INTAKE = BARS[: BARS.index("adjusted_bars")]
ADJUSTED = BARS[BARS.index("adjusted_bars") :]
GATES = ("bar_findings", "quarantined_bars", "validated_bars")
FEATURES = ("universe", "features")
LABELS = ("labels",)
TRAINING = ("candidate_model", "evaluation", "champion")
SIGNALS = ("forecasts", "target_weights")
PRE_OPEN = ("corporate_actions", "risk_decision", "orders")
READINESS = ("readiness",)
SETTLEMENT = ("fills", "positions", "breaks", "daily_pnl", "drift_report", "audit_checkpoint")
AFTER_CLOSE = (*BARS, *FEATURES, *SIGNALS, *READINESS, *SETTLEMENT)

SELECTIONS = {
    "bars": BARS,
    "intake": INTAKE,
    "adjusted": ADJUSTED,
    "gates": GATES,
    "features": FEATURES,
    "labels": LABELS,
    "training": TRAINING,
    "signals": SIGNALS,
    "pre_open": PRE_OPEN,
    "settlement": SETTLEMENT,
    "readiness": READINESS,
    "after_close": AFTER_CLOSE,
}
REPORT_JOB = "report"

# Dagster's own tags for a run over a contiguous range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

# One lane a market: the run queue starts at most one run of a lane at a time.
LANE_TAG = "tradegraph/lane"
MARKET_TAG = "tradegraph/market"
# A whole market asked name by name takes two hours at one request a second.
MAX_RUNTIME_SECONDS = 14_400


def job_name(market: str, selection: str) -> str:
    """Name of a market's job."""
    return f"{market}_{selection}"


def all_jobs(graphs: Sequence[MarketGraph]) -> list[dg.UnresolvedAssetJobDefinition]:
    """Every job of a deployment."""
    return [
        *(_market_job(graph, selection) for graph in graphs for selection in SELECTIONS),
        dg.define_asset_job(
            REPORT_JOB, selection=dg.AssetSelection.assets(dg.AssetKey(["desk", "report"]))
        ),
    ]


def _market_job(graph: MarketGraph, selection: str) -> dg.UnresolvedAssetJobDefinition:
    keys = [graph.key(noun) for noun in SELECTIONS[selection]]
    if selection == "after_close" and graph.settings.index_codes:
        keys.append(graph.key("index_members"))
    trades = selection in ("pre_open", "settlement", "after_close")
    return dg.define_asset_job(
        job_name(graph.name, selection),
        selection=dg.AssetSelection.assets(*keys),
        partitions_def=graph.months if selection == "training" else graph.sessions,
        tags={
            MARKET_TAG: graph.name,
            LANE_TAG: f"{graph.name}-{'trading' if trades else selection}",
            "dagster/max_runtime": str(MAX_RUNTIME_SECONDS),
        },
        executor_def=dg.in_process_executor,
    )
