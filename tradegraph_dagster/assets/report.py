"""The HTML report over all markets."""

from collections.abc import Sequence

import dagster as dg

from tradegraph_dagster.assets._failures import domain_failures
from tradegraph_dagster.assets._graph import MarketGraph


def report_asset(graphs: Sequence[MarketGraph]) -> dg.AssetsDefinition:
    """The one asset that looks at every market; unpartitioned, because time zones do not mix."""
    read = ("daily_pnl", "breaks", "champion", "positions")

    @dg.asset(
        key=dg.AssetKey(["desk", "report"]),
        group_name="report",
        deps=[graph.key(noun) for graph in graphs for noun in read],
        required_resource_keys={"desks"},
        kinds={"html"},
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """One page: equity against benchmark, drawdown, IC with its error, costs, breaks."""
        from tradegraph_dagster.resources.story import write_report

        with domain_failures("desk/report"):
            outcome = write_report(context.resources.desks)
        plots = {name: dg.MetadataValue.md(text) for name, text in outcome.plots.items()}
        contracts = {
            f"{market} table contract": dg.MetadataValue.path(str(page))
            for market, page in outcome.data_docs.items()
        }
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(outcome.path)),
                "fingerprint": outcome.fingerprint,
                **contracts,
                **plots,
            }
        )

    return report
