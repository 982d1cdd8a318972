"""The `tradegraph` command."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from tradegraph_dagster.cli import (
    audit,
    credentials,
    features,
    kill_switch,
    live_lock,
    people,
    quarantine,
    reconcile,
    sources,
)
from tradegraph_dagster.cli.desks import chosen_desks, open_desks, require_market
from tradegraph_dagster.cli.fake_alpaca import fake_alpaca
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption, MarketOption, SessionOption
from tradegraph_dagster.cli.output import (
    console,
    domain_errors,
    errors,
    print_columns,
    print_json,
    print_table,
)
from tradegraph_dagster.cli.trace import trace
from tradegraph_dagster.cli.vendor_import import import_files
from tradegraph_dagster.settings import PROJECT_ROOT, load_settings, prepare_process

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(audit.app, name="audit")
app.add_typer(credentials.app, name="credentials")
app.add_typer(features.app, name="features")
app.add_typer(kill_switch.app, name="kill-switch")
app.add_typer(live_lock.app, name="live")
app.add_typer(people.app, name="people")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(sources.app, name="sources")
app.command("import")(import_files)
app.command("fake-alpaca")(fake_alpaca)
app.command()(trace)


@app.callback()
def print_what_the_terminal_cannot() -> None:
    """Batch trading on Dagster."""
    # A reason or a name in another script must not end a command on a terminal that lacks it.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@app.command()
def demo(
    sessions: Annotated[int, typer.Option(min=1, help="Sessions to trade.")] = 25,
    as_json: JsonOption = False,
) -> None:
    """Both markets from raw bars to reconciled positions; run again it changes nothing."""
    from tradegraph_dagster.cli.demo import run_demo

    with domain_errors(), _runner() as runner:
        done = run_demo(runner, sessions)
    if as_json:
        print_json(done)
    else:
        _print_demo(done)
    raise typer.Exit(0 if done["succeeded"] else 1)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Newest partition of each table, champion, kill switch, books and equity of each market."""
    from tradegraph_dagster.cli.status import market_status

    with domain_errors():
        markets = {name: market_status(desk) for name, desk in open_desks().items()}
    if as_json:
        print_json(markets)
    else:
        print_columns("Status", markets)


@app.command()
def readiness(
    market: AnyMarketOption = None,
    session: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The newest due when absent.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """May the session's data be traded on? Exit status 1 where it is blocked or waits."""
    from tradegraph_dagster.cli.readiness import readiness_row

    with domain_errors():
        asked = session.date() if session else None
        rows = [readiness_row(desk, asked) for desk in chosen_desks(market).values()]
    if as_json:
        print_json(rows)
    else:
        print_columns("Readiness", {row["market"]: row for row in rows})
    raise typer.Exit(
        1 if any(row["overall_state"] in ("waiting", "blocked") for row in rows) else 0
    )


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check settings, calendars, stores, ledger, audit chain and the dbt manifest."""
    from tradegraph_dagster.cli.doctor import examine

    with domain_errors():
        rows = examine(load_settings())
    if as_json:
        print_json(rows)
    else:
        print_table("Doctor", rows)
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)


@app.command()
def run(market: MarketOption, session: SessionOption, as_json: JsonOption = False) -> None:
    """One whole session: research, decision and orders, fills, reconciliation, audit."""
    from tradegraph_dagster.cli.day import run_day

    with domain_errors(), _runner() as runner:
        require_market(runner.desks.settings, market)
        done = run_day(runner, market, session.date())
    _finish(f"{market} {session.date()}", done, as_json)


@app.command()
def backfill(  # noqa: PLR0913 - one argument an option
    market: MarketOption,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"])],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"])],
    reingest: Annotated[
        bool, typer.Option("--reingest", help="Ask the sources again for what is landed.")
    ] = False,
    remake: Annotated[
        bool, typer.Option("--remake", help="Features, labels and signals that are there too.")
    ] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Models of the span's months, and their signals, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Every missing research partition of a span, in ranges, with a progress bar."""
    from tradegraph_dagster.cli.day import backfill_span

    with domain_errors(), _runner() as runner:
        require_market(runner.desks.settings, market)
        span = (first.date(), last.date())
        done = backfill_span(
            runner, market, span, reingest=reingest, remake=remake, retrain=retrain
        )
    _finish(f"{market} {first.date()} to {last.date()}", done, as_json)


@app.command()
def report() -> None:
    """Write the HTML report and print its path."""
    with domain_errors(), _runner() as runner:
        outcome = runner.report()
        path = runner.desks.settings.root / "report.html"
    for problem in outcome.problems:
        errors.print(problem, markup=False)
    if outcome.succeeded:
        console.print(str(path))
    raise typer.Exit(0 if outcome.succeeded else 1)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Open Dagster on this deployment: both code locations, webserver and daemon."""
    with domain_errors():
        prepare_process(load_settings())
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(PROJECT_ROOT / "workspace.yaml")]
    process = subprocess.Popen([*command, "-h", "127.0.0.1", "-p", str(port)], cwd=PROJECT_ROOT)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        raise typer.Exit(process.wait())
    except KeyboardInterrupt:
        process.wait()


def _runner() -> Any:
    from tradegraph_dagster.cli.runs import Runner

    return Runner(load_settings())


def _finish(title: str, done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        print_table(title, [{name: value for name, value in done.items() if name != "problems"}])
        for problem in done["problems"]:
            errors.print(problem, markup=False)
    raise typer.Exit(1 if done["problems"] else 0)


def _print_demo(done: dict[str, Any]) -> None:
    columns = {
        name: {key: value for key, value in facts.items() if key != "problems"}
        for name, facts in done["markets"].items()
    }
    print_columns("What the demo did", columns)
    for facts in done["markets"].values():
        for problem in facts["problems"]:
            errors.print(problem, markup=False)
    console.print("Changed since last time: " + ("yes" if done["changed"] else "nothing"))
    console.print(f"Seconds: {done['seconds']}")
    console.print(f"Report:  {done['report']}")
    console.print("Dagster: make ui, then http://127.0.0.1:3000")


if __name__ == "__main__":
    app()
