"""`tradegraph audit`: is the record whole, and is its head written down elsewhere?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradegraph_dagster.cli.desks import open_desks
from tradegraph_dagster.cli.options import JsonOption
from tradegraph_dagster.cli.output import domain_errors, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradegraph_dagster.resources.chains import AuditChain

app = typer.Typer(no_args_is_help=True, help="The tamper-evident record.")


@app.command()
def verify(as_json: JsonOption = False) -> None:
    """Check every entry of every chain against its hash, signature and checkpoints.

    Exit status 1 where one is damaged, or where an order was filled that the chain does not hold;
    the row names the first bad entry.
    """
    from tradegraph_dagster.resources.chains import all_chains

    with domain_errors(), progress_bar() as progress:
        rows = []
        for chain in all_chains(open_desks()):
            head = chain.audit.head()
            task = progress.add_task(chain.name, total=head.seq + 1 if head else 0)
            rows.append(chain_row(chain, partial(_show, progress, task)))
    _print("Audit chain", rows, as_json)
    raise typer.Exit(0 if all(row["intact"] and not row["unwritten"] for row in rows) else 1)


@app.command()
def checkpoint(
    begin: Annotated[
        bool,
        typer.Option("--begin", help="Begin new journals where none is left; find out why first."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Verify what is new, and write the head of every chain into the checkpoint folder."""
    from tradegraph_dagster.resources.chains import all_chains

    with domain_errors():
        lines = {chain.name: chain.publish(begin=begin) for chain in all_chains(open_desks())}
    rows = [
        {"chain": name, "entries": line.entries, "head_hash": line.head_hash, "since": line.ts}
        for name, line in lines.items()
        if line is not None
    ]
    _print("Audit checkpoints", rows, as_json)


@app.command()
def grants(
    role: Annotated[str, typer.Argument(help="A PostgreSQL role that owns no table.")],
) -> None:
    """Print what the owner must grant a role that trades and cannot rewrite the ledger."""
    from tradegraph_dagster.adapters.sql.roles import role_statements

    for statement in role_statements(role):
        typer.echo(f"{statement};")


def chain_row(
    chain: AuditChain, progress: Callable[[int], None] = lambda _count: None
) -> dict[str, Any]:
    """One row of `tradegraph audit verify`: streams the chain, names the first bad entry."""
    from tradegraph_dagster.domain.audit.schema import AUDIT_CHECKPOINT

    head = chain.audit.head()
    damage = chain.verify(progress)
    in_lake = chain.store.partitions(AUDIT_CHECKPOINT.name) if chain.store else ()
    return {
        "chain": chain.name,
        "entries": head.seq + 1 if head else 0,
        "checkpoints": len(in_lake),
        "outside": len(chain.journal.lines()),
        "unwritten": len(chain.unwritten()),
        "intact": damage is None,
        "damage": str(damage) if damage else "none",
    }


def _show(progress: Any, task: Any, done: int) -> None:
    progress.update(task, completed=done)


def _print(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(title, rows)
