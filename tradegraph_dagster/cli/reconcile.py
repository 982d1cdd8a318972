"""`tradegraph reconcile`: compare the ledger with the broker, and adopt the broker's word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks, require_market, spoken
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption
from tradegraph_dagster.cli.output import console, domain_errors, errors, print_json, print_table
from tradegraph_dagster.cli.proof import CodeOption, PersonOption, speaker
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The ledger against the broker.")


@app.command("run")
def reconcile_run(
    market: AnyMarketOption = None,
    session: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The newest compared one when absent."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Settle a closed session again: fills, positions, breaks and what follows from them.

    The exit status is 1 while something differs or could not be compared.
    """
    from tradegraph_dagster.cli.runs import Runner

    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    with domain_errors(), Runner(load_settings()) as runner:
        if market is not None:
            require_market(runner.desks.settings, market)
        for name, desk in runner.desks.items():
            if market in (None, name):
                day = session.date() if session else _newest(desk)
                outcome = runner.run(name, "settlement", [day])
                problems += [f"{name} {day}: {problem}" for problem in outcome.problems]
                rows += stored_breaks(desk, day)
    for problem in problems:
        errors.print(problem, markup=False)
    if as_json:
        print_json(rows)
    elif rows:
        print_table("Breaks", rows)
    elif not problems:
        console.print("Nothing differs.")
    raise typer.Exit(1 if rows or problems else 0)


@app.command("incidents")
def reconcile_incidents(market: AnyMarketOption = None, as_json: JsonOption = False) -> None:
    """What a person must look at; exit status 1 while something blocks trading."""
    with domain_errors():
        rows = [
            {"market": name, **incident_to_row(incident)}
            for name, desk in chosen_desks(market).items()
            for incident in desk.books.incidents.open_incidents()
        ]
    if as_json:
        print_json(rows)
    for row in () if as_json else rows:
        # An id in a table may be cut, and a cut one cannot be typed into the next command.
        typer.echo(row["incident"])
        blocks = f"blocks {row['symbol'] or 'all'}" if row["blocks"] else "blocks nothing"
        typer.echo(f"  {row['market']} {row['session']} {row['kind']} {row['about']}: {blocks}")
        typer.echo(f"  expected {row['expected']}, found {row['found']}")
    if not rows and not as_json:
        console.print("No open incidents.")
    raise typer.Exit(1 if any(row["blocks"] for row in rows) else 0)


@app.command("acknowledge")
def reconcile_acknowledge(
    incident: Annotated[str, typer.Argument(help="Its id, from `reconcile incidents`.")],
    reason: Annotated[str, typer.Option(help="What you found out.")],
    market: AnyMarketOption = None,
    person: PersonOption = "",
    code: CodeOption = "",
) -> None:
    """Close an incident; where the ledger and the broker differ, the broker's word is adopted."""
    from tradegraph_dagster.domain.reconciliation.acknowledgement import acknowledge_incident

    with domain_errors():
        said = spoken(reason)
        desk = _desk_of(incident, chosen_desks(market))
        booked = acknowledge_incident(
            desk.workspace,
            incident,
            books=desk.books,
            broker=desk.broker,
            actor=speaker(desk.deployment, Right.ACKNOWLEDGE_BREAK, person, code),
            reason=said,
        )
    console.print(f"{desk.name}: acknowledged")
    if booked is not None:
        about = booked.symbol or "the account"
        if booked.shares or booked.cash:
            console.print(f"Booked for {about}: {booked.shares} shares, cash {booked.cash}.")
        else:
            console.print(f"Nothing differs any more for {about}: it is kept that you looked.")
        console.print("Then compare again:")
        # Printed as it is: a command that is wrapped cannot be copied.
        typer.echo(f"tradegraph reconcile run -m {desk.name} --session {booked.session}")


def stored_breaks(desk: Any, session: date) -> list[dict[str, Any]]:
    """The breaks of a session as they were stored."""
    from tradegraph_dagster.domain.reconciliation.schema import BREAKS

    store = desk.workspace.store
    if session not in store.partitions(BREAKS.name):
        return []
    frame = store.read(BREAKS, [session])
    return [{"market": desk.name, **row} for row in frame.iter_rows(named=True)]


def incident_to_row(incident: Any) -> dict[str, Any]:
    """An incident as it is shown."""
    return {
        "incident": incident.incident_id,
        "session": incident.session,
        "kind": incident.kind.value,
        "symbol": incident.symbol,
        "about": incident.reference,
        "expected": incident.expected,
        "found": incident.found,
        "blocks": incident.blocks,
    }


def _newest(desk: Any) -> date:
    latest = desk.books.reconciliations.latest()
    day: date = latest[0] if latest else desk.latest_closed()
    return day


def _desk_of(incident: str, desks: Mapping[str, Any]) -> Any:
    """The desk where the incident stands. Raises ConfigError where none has it."""
    for desk in desks.values():
        if any(one.incident_id == incident for one in desk.books.incidents.open_incidents()):
            return desk
    raise ConfigError(
        f"INCIDENT: found {incident!r}, allowed: an open one of {', '.join(desks)}; "
        "`tradegraph reconcile incidents` lists them"
    )
