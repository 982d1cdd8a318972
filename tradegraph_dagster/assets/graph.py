"""All assets of a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradegraph_dagster.assets._graph import MarketGraph
from tradegraph_dagster.assets.audit import audit_assets
from tradegraph_dagster.assets.corporate_actions import corporate_action_assets
from tradegraph_dagster.assets.datasets import dataset_assets
from tradegraph_dagster.assets.feature_page import feature_page_assets
from tradegraph_dagster.assets.features import feature_assets
from tradegraph_dagster.assets.market_data import market_data_assets
from tradegraph_dagster.assets.models import model_assets
from tradegraph_dagster.assets.monitoring import monitoring_assets
from tradegraph_dagster.assets.orders import order_assets
from tradegraph_dagster.assets.performance import performance_assets
from tradegraph_dagster.assets.quality import quality_assets
from tradegraph_dagster.assets.reconciliation import reconciliation_assets
from tradegraph_dagster.assets.registry import registry_assets
from tradegraph_dagster.assets.report import report_asset
from tradegraph_dagster.assets.signals import signal_assets
from tradegraph_dagster.assets.universe import universe_assets
from tradegraph_dagster.settings import Settings

STAGES = (
    market_data_assets,
    corporate_action_assets,
    quality_assets,
    universe_assets,
    feature_assets,
    feature_page_assets,
    dataset_assets,
    model_assets,
    registry_assets,
    signal_assets,
    order_assets,
    reconciliation_assets,
    performance_assets,
    monitoring_assets,
    audit_assets,
)


def market_graphs(settings: Settings) -> tuple[MarketGraph, ...]:
    """The graph of each configured market."""
    return tuple(MarketGraph.of(name, market) for name, market in settings.markets.items())


def all_assets(graphs: Sequence[MarketGraph]) -> list[Any]:
    """Every asset, in the order the data flows."""
    return [
        *(asset for graph in graphs for stage in STAGES for asset in stage(graph)),
        report_asset(graphs),
    ]
