"""What commands print: tables for people, JSON for programs; the exit status says success."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tradegraph_dagster.domain.core.errors import TradeGraphError

console = Console()
errors = Console(stderr=True)

SHORT_CELL = 12


def print_json(data: Any) -> None:
    """Plain JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, default=str, ensure_ascii=False))


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """One table; the columns are the keys of the first row, numbers to the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in rows[0] if rows else ():
        is_number = all(isinstance(row[name], int | float) for row in rows)
        # A date or a symbol that is cut cannot be typed into the next command.
        is_short = all(len(_cell(row[name])) <= SHORT_CELL for row in rows)
        justify: Literal["right", "left"] = "right" if is_number else "left"
        heading = name.replace("_", " ")
        table.add_column(heading, justify=justify, no_wrap=is_short, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def print_columns(title: str, columns: Mapping[str, Mapping[str, Any]]) -> None:
    """One table with a column for each entry, so that long facts do not squeeze each other."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for fact in next(iter(columns.values()), {}):
        cells = (_cell(facts.get(fact, "")) for facts in columns.values())
        table.add_row(fact.replace("_", " "), *cells)
    console.print(table)


def progress_bar() -> Progress:
    """The one progress bar of all long commands."""
    return Progress(
        TextColumn("[bold]{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,  # standard output is for the answer
    )


@contextmanager
def domain_errors() -> Iterator[None]:
    """Show a domain error in one line with its next action, and exit 1."""
    try:
        yield
    except TradeGraphError as error:
        errors.print(f"[red]{type(error).__name__}[/red] ({error.action}): {escape(str(error))}")
        raise typer.Exit(1) from error


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(value))
