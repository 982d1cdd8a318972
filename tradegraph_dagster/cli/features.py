"""`tradegraph features`: compute a set for a file of bars, and what proves the sets right."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from tradegraph_dagster.cli.features_audit import audit
from tradegraph_dagster.cli.features_page import page
from tradegraph_dagster.cli.features_verify import verify
from tradegraph_dagster.cli.options import JsonOption
from tradegraph_dagster.cli.output import domain_errors, errors, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Feature sets.")
app.command("verify")(verify)
app.command("page")(page)
app.command("audit")(audit)


@app.command("compute")
def compute_command(
    bars: Annotated[Path, typer.Option(help="Parquet file of adjusted bars.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    feature_set: Annotated[str, typer.Option("--set", help="Name of the set.")] = "alpha158",
    adjusted: Annotated[
        bool, typer.Option("--adjusted", help="Prices are adjusted: do not look for splits.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="All processors if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Features of every row of a file of bars; the columns are those of the set's page."""
    with domain_errors():
        done, sparse = compute_file(bars, out, feature_set, threads=threads, adjusted=adjusted)
    if as_json:
        print_json(done)
    else:
        print_table("Features", [done])
    if sparse:
        errors.print(
            f"Most instruments have no row on {sparse[0]}"
            + (f" and {len(sparse) - 1} more sessions" if len(sparse) > 1 else "")
            + ": if that is no session of their market, take it out; it moves every window."
        )


def compute_file(
    bars: Path, out: Path, name: str, *, threads: int | None, adjusted: bool
) -> tuple[dict[str, str | int], tuple[date, ...]]:
    """Compute a set for a file with a progress bar; what was made, and its sparse sessions.

    Raises:
        ConfigError: No such set.
        SchemaError: Names what is wrong with `bars`, and where.
        StoreUnavailable: `out` cannot be written.
    """
    import pyarrow.parquet as pq

    from tradegraph_dagster.adapters.parquet.feature_file import bar_file_to_features
    from tradegraph_dagster.cli.output import progress_bar
    from tradegraph_dagster.domain.features.catalogue import load_feature_set
    from tradegraph_dagster.resources.desk import processors

    feature_set = load_feature_set(name)
    with progress_bar() as progress:
        task = progress.add_task(f"{feature_set.name}", total=None)

        def advance(rows: int) -> None:
            if progress.tasks[task].total is None:
                progress.update(task, total=pq.read_metadata(bars).num_rows)
            progress.advance(task, rows)

        done = bar_file_to_features(
            bars,
            out,
            feature_set,
            threads=threads or processors(),
            is_adjusted=adjusted,
            on_rows=advance,
        )
    made: dict[str, str | int] = {
        "set": feature_set.version,
        "features": len(feature_set.definitions),
        "rows": done.rows,
        "symbols": done.symbols,
        "sessions": done.sessions,
        "left_out": done.left_out,
        "sparse_sessions": len(done.sparse),
        "jumps": done.jumps,
        "file": str(out),
    }
    return made, done.sparse
