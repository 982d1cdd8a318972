"""Write `dbt/models/sources.yml` from the frame schemas: one source a market, one table a schema.

Run it after a schema that the marts read has changed; a test fails until the two agree.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from tradegraph_dagster import domain
from tradegraph_dagster.domain.core.frames import INSTANT, Column, FrameSchema
from tradegraph_dagster.domain.datasets.schema import LABELS

DBT_DIR = Path(__file__).resolve().parent.parent / "dbt"
SOURCES_PATH = DBT_DIR / "models" / "sources.yml"
TABLES = (
    "adjusted_bars",
    "bar_findings",
    "breaks",
    "candidate_model",
    "champion",
    "daily_pnl",
    "drift_report",
    "evaluation",
    "fills",
    "forecasts",
    "gate_results",
    "labels",
    "orders",
    "positions",
    "quarantined_bars",
    "strategy_pnl",
    "target_weights",
    "validated_bars",
)
DUCKDB_TYPES: Mapping[Any, str] = {
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Float64: "double",
    pl.Int32: "integer",
    pl.Int64: "bigint",
    pl.String: "varchar",
    INSTANT: "timestamp with time zone",
}
HEADER = (
    "# Written by scripts/write_dbt_sources.py from the frame schemas; change those and run it.\n"
)


def stage_schemas() -> dict[str, FrameSchema]:
    """Every frame schema of the domain's stages by table name."""
    found: dict[str, FrameSchema] = {}
    for stage in pkgutil.iter_modules(domain.__path__):
        if not (Path(domain.__path__[0]) / stage.name / "schema.py").exists():
            continue
        module = importlib.import_module(f"{domain.__name__}.{stage.name}.schema")
        found |= {
            value.name: value for value in vars(module).values() if isinstance(value, FrameSchema)
        }
    return found


def sources_yaml() -> str:
    """The text of sources.yml."""
    project = yaml.safe_load((DBT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))
    schemas = stage_schemas()
    content = {
        "version": 2,
        "sources": [
            _source(market, [schemas[name] for name in TABLES])
            for market in project["vars"]["markets"]
        ],
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _source(market: str, schemas: list[FrameSchema]) -> dict[str, Any]:
    return {
        "name": market,
        "description": f"The lake of market {market}.",
        "config": {"meta": {"external_location": _location(market, "{name}")}},
        "tables": [_table(market, schema) for schema in schemas],
    }


def _location(market: str, table: str) -> str:
    return "{{ env_var('TRADEGRAPH_LAKE') }}/" + f"{market}/{table}/*.parquet"


def _table(market: str, schema: FrameSchema) -> dict[str, Any]:
    meta: dict[str, Any] = {"dagster": {"asset_key": [market, schema.name]}}
    if schema is LABELS:
        # A table a horizon; the marts measure by the one that the market's models learn.
        horizon = f"{{{{ var('label_horizon_by_market').get('{market}', var('label_horizon')) }}}}"
        meta["external_location"] = _location(market, f"{schema.name}_{horizon}")
    return {
        "name": schema.name,
        "description": schema.doc,
        "config": {"meta": meta},
        "columns": [_column(name, column) for name, column in schema.columns.items()],
    }


def _column(name: str, column: Column) -> dict[str, Any]:
    unit = f" [{column.unit}]" if column.unit else ""
    return {
        "name": name,
        "description": f"{column.doc}{unit}",
        "data_type": DUCKDB_TYPES[column.dtype],
    }


if __name__ == "__main__":
    SOURCES_PATH.write_text(sources_yaml(), encoding="utf-8")
