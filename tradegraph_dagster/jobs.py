"""Named selections of the graph, a handful a market."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.checks.feature_causality import CAUSALITY_CHECK
from tradegraph_dagster.market_settings import MarketSettings

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
TRAINING = ("candidate_model", "evaluation", "champion")
SIGNALS = ("forecasts", "target_weights")
PRE_OPEN = ("corporate_actions", "risk_decision", "gate_results", "orders")
READINESS = ("readiness",)
SETTLEMENT = (
    "fills",
    "positions",
    "breaks",
    "daily_pnl",
    "strategy_pnl",
    "drift_report",
    "audit_checkpoint",
)
AFTER_CLOSE = (*BARS, *FEATURES, *SIGNALS, *READINESS, *SETTLEMENT)

SELECTIONS = {
    "bars": BARS,
    "intake": INTAKE,
    "adjusted": ADJUSTED,
    "gates": GATES,
    "features": FEATURES,
    "training": TRAINING,
    "signals": SIGNALS,
    "pre_open": PRE_OPEN,
    "settlement": SETTLEMENT,
    "readiness": READINESS,
    "after_close": AFTER_CLOSE,
}
# What a job of each selection is for, as the UI shows it.
PURPOSES = {
    "bars": "Raw bars, adjusted bars and the gate of a session or a span.",
    "intake": "What the sources say of a session: instruments, raw bars and corporate actions.",
    "adjusted": "Adjusted bars and the gate again, from the raw bars that are landed.",
    "gates": "The gate alone: findings, quarantine and validated bars.",
    "features": "Universe and features of a session or a span.",
    "training": "The candidate of a month, its evaluation, and who is champion.",
    "signals": "Forecasts of the champion and the weights that the strategy wants.",
    "pre_open": "The decision of a session, gated, and its orders to the broker.",
    "settlement": "Fills, positions, breaks, profit and loss, drift, and the audit checkpoint.",
    "readiness": "Whether a session's data may be traded on, written down.",
    "after_close": "The whole day after its close: research, signals, readiness and settlement.",
}
REPORT_JOB = "report"
CAUSALITY = "causality"
FEATURE_PAGE = "feature_page"

# Dagster's own tags for a run over a contiguous range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

# One lane a market: the run queue starts at most one run of a lane at a time.
LANE_TAG = "tradegraph/lane"
MARKET_TAG = "tradegraph/market"
# A whole market asked name by name takes two hours at one request a second.
MAX_RUNTIME_SECONDS = 14_400
# An order cannot wait for a page to be drawn: the queue takes the highest first, 0 is the rest.
TRADING_LANE = "trading"
TRADING_PRIORITY = 10


def job_name(market: str, selection: str) -> str:
    """Name of a market's job."""
    return f"{market}_{selection}"


def market_selections(settings: MarketSettings) -> dict[str, tuple[str, ...]]:
    """Every selection of a market: SELECTIONS, and one for the labels of each horizon.

    Labels of different horizons become known at different closes, so no run makes several.
    """
    tables = [span.table.name for span in settings.label_spans]
    return SELECTIONS | {table: (table,) for table in tables}


def all_jobs(graphs: Sequence[MarketGraph]) -> list[dg.UnresolvedAssetJobDefinition]:
    """Every job of a deployment."""
    return [
        *(
            _market_job(graph, selection)
            for graph in graphs
            for selection in market_selections(graph.settings)
        ),
        *(_causality_job(graph) for graph in graphs),
        *(_page_job(graph) for graph in graphs),
        dg.define_asset_job(
            REPORT_JOB,
            description="The HTML report of every market.",
            selection=dg.AssetSelection.assets(dg.AssetKey(["desk", "report"])),
        ),
    ]


def _market_job(graph: MarketGraph, selection: str) -> dg.UnresolvedAssetJobDefinition:
    keys = [graph.key(noun) for noun in market_selections(graph.settings)[selection]]
    if selection == "after_close" and graph.settings.index_codes:
        keys.append(graph.key("index_members"))
    trades = selection in ("pre_open", "settlement", "after_close")
    return dg.define_asset_job(
        job_name(graph.name, selection),
        description=PURPOSES.get(selection, "The labels of one horizon, where they are known."),
        # Selecting an asset selects its checks; the weekly one has a job of its own.
        selection=dg.AssetSelection.assets(*keys) - _causality_checks(graph),
        tags=_tags(graph, TRADING_LANE if trades else selection),
        executor_def=dg.in_process_executor,
    )


def _causality_job(graph: MarketGraph) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        job_name(graph.name, CAUSALITY),
        description="Whether any stored feature changes when only its future does.",
        selection=_causality_checks(graph),
        tags=_tags(graph, CAUSALITY),
        executor_def=dg.in_process_executor,
    )


def _page_job(graph: MarketGraph) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        job_name(graph.name, FEATURE_PAGE),
        description="The page of what is known of each feature.",
        selection=dg.AssetSelection.assets(graph.key(FEATURE_PAGE)),
        tags=_tags(graph, FEATURE_PAGE),
        executor_def=dg.in_process_executor,
    )


def _causality_checks(graph: MarketGraph) -> dg.AssetSelection:
    return dg.AssetSelection.checks(dg.AssetCheckKey(graph.key("features"), CAUSALITY_CHECK))


def _tags(graph: MarketGraph, lane: str) -> dict[str, str]:
    return {
        MARKET_TAG: graph.name,
        LANE_TAG: f"{graph.name}-{lane}",
        "dagster/max_runtime": str(MAX_RUNTIME_SECONDS),
        "dagster/priority": str(TRADING_PRIORITY if lane == TRADING_LANE else 0),
    }
