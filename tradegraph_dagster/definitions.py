"""Settings -> the trading code location: assets, checks, jobs, schedules, sensors, resources."""

from __future__ import annotations

import warnings

import dagster as dg

# Backfill policies and partitioned checks are marked beta and preview; what we use of them is
# pinned and tested.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
# Meant: the gate has a policy of its own.
warnings.filterwarnings("ignore", message="(?s).*multiple backfill policies.*")

from tradegraph_dagster.assets.graph import all_assets, market_graphs  # noqa: E402
from tradegraph_dagster.checks.graph import all_checks  # noqa: E402
from tradegraph_dagster.jobs import all_jobs  # noqa: E402
from tradegraph_dagster.resources.desk import Desks  # noqa: E402
from tradegraph_dagster.schedules.sessions import all_schedules  # noqa: E402
from tradegraph_dagster.sensors.watch import all_sensors  # noqa: E402
from tradegraph_dagster.settings import Settings, load_settings  # noqa: E402


def build_definitions(settings: Settings, desks: Desks | None = None) -> dg.Definitions:
    """Everything Dagster shows for one deployment; tests pass their own desks."""
    shared = desks or Desks(settings)
    graphs = market_graphs(settings)
    return dg.Definitions(
        assets=all_assets(graphs),
        asset_checks=all_checks(graphs),
        jobs=all_jobs(graphs),
        schedules=all_schedules(graphs, settings),
        sensors=all_sensors(graphs, settings, shared),
        resources={"desks": dg.ResourceDefinition.hardcoded_resource(shared)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Entry point of the code location."""
    return build_definitions(load_settings())
