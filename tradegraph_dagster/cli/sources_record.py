"""What a vendor answers, kept in files that a test can serve again without a network."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks
from tradegraph_dagster.cli.options import MarketOption
from tradegraph_dagster.cli.output import console, domain_errors
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.domain.markets.schema import Market
from tradegraph_dagster.market_settings import AdapterSettings

# What can be asked -> the module of the adapter that answers, and its method.
TABLES = {
    "instruments": ("bars", "instruments"),
    "bars": ("bars", "bars"),
    "corporate_actions": ("actions", "corporate_actions"),
}
_SPELLING = ["%Y-%m-%d"]


def record_command(
    source: Annotated[str, typer.Argument(help="Name of a configured source, such as sina.")],
    folder: Annotated[Path, typer.Argument(help="Where the answers are kept.")],
    market: MarketOption,
    session: Annotated[
        list[datetime], typer.Option(formats=_SPELLING, help="YYYY-MM-DD; repeat it.")
    ],
    table: Annotated[list[str] | None, typer.Option(help="All when absent; repeat it.")] = None,
) -> None:
    """Ask a source and keep every request with its answer."""
    with domain_errors():
        desk = chosen_desks(market)[market]
        sessions = [moment.date() for moment in session]
        for name in table or TABLES:
            wanted = {name: sessions}
            rows = record(desk.market, desk.settings.sources, source, folder, wanted)[name]
            # Said table by table: a source that refuses the next one has answered this one.
            console.print(f"{name}: {rows} rows", markup=False)
    files = len(list(folder.glob("*.json")))
    console.print(f"{folder}: {files} answers", markup=False)


def record(
    market: Market,
    sources: Sequence[AdapterSettings],
    source: str,
    folder: Path,
    wanted: Mapping[str, Sequence[date]],
) -> dict[str, int]:
    """Ask one of the configured sources, keeping what it is asked and answers in a folder.

    The answers hold what the vendor sent and no credentials.

    Args:
        market: The sources' market.
        sources: The configured sources.
        source: Name of the one to ask.
        folder: Where the files go; those of an earlier recording are added to.
        wanted: Table of TABLES -> sessions to ask for.

    Returns:
        Table -> rows the source answered.

    Raises:
        ConfigError: No such table, no such source, or one that cannot record.
        SourceError: The source failed; what it answered before is kept.
        SchemaError: As above.
    """
    unknown = sorted(set(wanted) - set(TABLES))
    if unknown:
        raise ConfigError(f"--table: found {', '.join(unknown)}, allowed: {', '.join(TABLES)}")
    chosen = _configured(market, sources, source)
    options = chosen.parsed_options
    if "record_dir" not in type(options).model_fields:
        raise ConfigError(f"source {source}: adapter {chosen.kind} has no option record_dir")
    recording = options.model_copy(update={"record_dir": str(folder)})
    rows: dict[str, int] = {}
    for table, sessions in wanted.items():
        module, method = TABLES[table]
        asked = _open(chosen.kind, module)(market, recording)
        rows[table] = getattr(asked, method)(list(sessions)).height
    return rows


def _configured(market: Market, sources: Sequence[AdapterSettings], source: str) -> AdapterSettings:
    names = {_open(one.kind, "bars")(market, one.parsed_options).name: one for one in sources}
    if source not in names:
        raise ConfigError(f"source: found {source!r}, allowed: {', '.join(names)}")
    return names[source]


def _open(kind: str, module: str) -> Any:
    return importlib.import_module(f"tradegraph_dagster.adapters.{kind}.{module}").SOURCE
