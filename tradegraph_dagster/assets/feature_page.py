"""The page of a market's feature set."""

from typing import Any

import dagster as dg

from tradegraph_dagster.assets._failures import domain_failures
from tradegraph_dagster.assets._graph import MarketGraph


def feature_page_assets(graph: MarketGraph) -> list[Any]:
    """The one page of the configured set; unpartitioned, because it is over many sessions."""

    @dg.asset(
        key=graph.key("feature_page"),
        group_name="features",
        deps=[graph.key(noun) for noun in ("features", "universe", "validated_bars")],
        required_resource_keys={"desks"},
        kinds={"html"},
    )
    def feature_page(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Coverage, distribution, autocorrelation and RankIC by horizon of each feature."""
        from tradegraph_dagster.resources.feature_page import write_feature_page

        with domain_failures(f"{graph.name}/feature_page"):
            page = write_feature_page(context.resources.desks[graph.name])
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(page.path)),
                "fingerprint": page.fingerprint,
                "feature_set": page.version,
                "sessions": page.sessions,
            }
        )

    return [feature_page]
