"""`tradegraph sources`: how each source has answered lately, and which are left alone."""

from __future__ import annotations

from typing import Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption
from tradegraph_dagster.cli.output import console, domain_errors, print_json, print_table
from tradegraph_dagster.cli.sources_record import record_command

app = typer.Typer(invoke_without_command=True, help="How each source has answered lately.")

# Headings that fit a narrow terminal.
_SHOWN = {
    "source": "source",
    "data": "data",
    "score": "score",
    "success": "success",
    "latency_seconds": "seconds",
    "completeness": "whole",
    "agreement": "agree",
    "breaker": "breaker",
}


@app.callback()
def sources(
    context: typer.Context, market: AnyMarketOption = None, as_json: JsonOption = False
) -> None:
    """How each source has answered lately."""
    if context.invoked_subcommand is None:
        list_sources(market, as_json)


@app.command("list")
def list_sources(market: AnyMarketOption = None, as_json: JsonOption = False) -> None:
    """Score, success, latency, completeness, agreement and breaker of each source and data kind."""
    with domain_errors():
        markets = {name: source_rows(desk) for name, desk in chosen_desks(market).items()}
    if as_json:
        print_json([row for rows in markets.values() for row in rows])
        return
    for name, rows in markets.items():
        shown = [{title: row[key] for key, title in _SHOWN.items()} for row in rows]
        print_table(f"Sources of {name}", shown)
        for row in rows:
            if row["last_error"]:
                console.print(f"{row['source']} {row['data']}: {row['last_error']}", markup=False)


app.command("record")(record_command)


def source_rows(desk: Any) -> list[dict[str, Any]]:
    """One row a source and kind of data, in order of preference; no source is asked anything."""
    from tradegraph_dagster.domain.market_data.health import (
        DataKind,
        SourceHealth,
        breaker,
        score,
    )

    watch, now = desk.source_watch, desk.clock.now()
    panels = {
        DataKind.INSTRUMENTS: desk.bar_sources,
        DataKind.BARS: desk.bar_sources,
        DataKind.ACTIONS: desk.action_sources,
    }
    if desk.settings.index_codes:
        panels[DataKind.INDEX_MEMBERS] = desk.index_sources
    rows = []
    for data, panel in panels.items():
        healths = watch.book.read(data)
        for source in panel.sources:
            health = healths.get(source.name, SourceHealth(source.name, data))
            rows.append(
                {
                    "market": desk.name,
                    "source": source.name,
                    "data": data.value,
                    "score": score(health, now, watch.policy),
                    "success": health.success,
                    "latency_seconds": health.latency_seconds,
                    "completeness": health.completeness,
                    "agreement": health.agreement,
                    "breaker": breaker(health, now, watch.policy).value,
                    "last_error": health.last_error,
                    "consecutive_failures": health.consecutive_failures,
                    "opened_at": health.opened_at,
                    "updated_at": health.updated_at,
                }
            )
    return rows
