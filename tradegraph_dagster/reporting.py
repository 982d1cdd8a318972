"""The second code location: dbt marts over the settled tables of the lake.

It is apart because importing dagster_dbt costs more than all of the trading location, and because
nothing may trade on a mart. Lineage joins in the UI: each dbt source carries the asset key
`[market, table]` of the asset that writes it. Marts follow their tables by themselves, or by hand
through `marts_job`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets
from packaging.version import Version

from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.datasets.schema import LABELS, LabelSpan
from tradegraph_dagster.settings import PROJECT_ROOT, Settings, load_settings, prepare_process

DBT_DIR = PROJECT_ROOT / "dbt"
# The dbt of this environment, also when its folder is not on PATH.
DBT_EXECUTABLE = str(Path(sys.executable).with_name("dbt"))
MARTS = "marts"


class MartsTranslator(DagsterDbtTranslator):
    """dbt models as assets: key `[marts, model]`, one group, rebuilt when their tables changed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._horizons = _label_horizons(settings)

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Sources keep the key of the asset that writes them."""
        if dbt_resource_props["resource_type"] == "source":
            market, table = dbt_resource_props["source_name"], dbt_resource_props["name"]
            if table == LABELS.name and market in self._horizons:
                span = LabelSpan.of_horizon(self._horizons[market])
                return dg.AssetKey([market, span.table.name])
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey([MARTS, dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """One group for all."""
        return MARTS

    def get_automation_condition(
        self, dbt_resource_props: Mapping[str, Any]
    ) -> dg.AutomationCondition:
        """When to rebuild."""
        return after_settled_updates()


class InstalledDbt(DbtCliResource):
    """The dbt of this environment, asked for nothing but its work."""

    @cached_property
    def _cli_version(self) -> Version:
        # The parent runs `dbt --version`, which asks the package index for newer releases.
        return Version(version("dbt-core"))


def after_settled_updates() -> dg.AutomationCondition:
    """Rebuild when a table below has changed and no run is still writing one.

    `eager()` would wait for ever: it asks for every upstream partition, and markets that are not
    configured, sessions that were withheld and months without a model never appear.
    """
    return (
        dg.AutomationCondition.any_deps_updated()
        .since_last_handled()
        .with_label("a table has changed since the last rebuild")
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("after settled updates")


def dbt_variables(settings: Settings) -> dict[str, Any]:
    """What the marts must know of each market: the names an IC needs, the labels models learn."""
    least = {name: market.training.min_names for name, market in settings.markets.items()}
    return {"min_names_by_market": least, "label_horizon_by_market": _label_horizons(settings)}


def _label_horizons(settings: Settings) -> dict[str, int]:
    return {name: market.split_plan.horizon_sessions for name, market in settings.markets.items()}


def _absent_models(manifest: Path, marts: Path) -> list[str]:
    """Models that the marts' file does not have yet, all of them where there is no file."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    models = {node["name"] for node in nodes if node["resource_type"] == "model"}
    if not marts.exists():
        return sorted(models)
    # Every load of the code location would pay for it.
    import duckdb

    with duckdb.connect(str(marts), read_only=True) as connection:
        found = connection.execute("select table_name from information_schema.tables").fetchall()
    return sorted(models - {name for (name,) in found})


def build_reporting(settings: Settings, project_dir: Path = DBT_DIR) -> dg.Definitions:
    """The marts as assets, their tests as asset checks, the job and the automation.

    Raises:
        ConfigError: The manifest has not been made yet.
    """
    project = DbtProject(project_dir=project_dir, profiles_dir=project_dir)
    if not project.manifest_path.exists():
        raise ConfigError(f"no dbt manifest at {project.manifest_path}: run `make setup`")

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        dagster_dbt_translator=MartsTranslator(settings),
        name="build_marts",
        pool="duckdb",
    )
    def build_marts(context: dg.AssetExecutionContext, dbt: InstalledDbt) -> Iterator[Any]:
        work = settings.marts_path.parent / "dbt"
        work.mkdir(parents=True, exist_ok=True)
        variables = ["--vars", json.dumps(dbt_variables(settings))]
        absent = _absent_models(project.manifest_path, settings.marts_path)
        if context.is_subset and absent:
            # A part is read together with models that nothing has asked for yet.
            first = ["run", *variables, "--select", " ".join(absent)]
            dbt.cli(first, manifest=project.manifest_path, target_path=work).wait()
        yield from dbt.cli(["build", *variables], context=context, target_path=work).stream()

    dbt = InstalledDbt(
        project_dir=str(project_dir), profiles_dir=str(project_dir), dbt_executable=DBT_EXECUTABLE
    )
    return dg.Definitions(
        assets=[build_marts],
        jobs=[dg.define_asset_job("marts_job", selection=dg.AssetSelection.groups(MARTS))],
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "marts_automation",
                target=dg.AssetSelection.groups(MARTS),
                default_status=(
                    dg.DefaultSensorStatus.RUNNING
                    if settings.schedules_running
                    else dg.DefaultSensorStatus.STOPPED
                ),
            )
        ],
        resources={"dbt": dbt},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` loads."""
    settings = load_settings()
    prepare_process(settings)
    return build_reporting(settings)
