"""`tradegraph credentials`: secrets that are kept sealed, and the rotation of what seals them."""

from __future__ import annotations

from typing import Annotated

import typer

from tradegraph_dagster.cli.options import JsonOption
from tradegraph_dagster.cli.output import console, domain_errors, print_json, print_table
from tradegraph_dagster.cli.proof import CodeOption, PersonOption, open_desk, speaker
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.sealed import credential_at
from tradegraph_dagster.domain.core.errors import ConfigError
from tradegraph_dagster.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Secrets that are kept sealed.")


@app.command("list")
def list_credentials(as_json: JsonOption = False) -> None:
    """What is stored; never what it says."""
    with domain_errors():
        rows = [
            {
                "name": one.name,
                "updated_by": one.updated_by,
                "updated_at": one.updated_at.isoformat(timespec="seconds"),
            }
            for one in open_desk(load_settings()).credentials.credentials()
        ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table("Credentials", rows)
    else:
        console.print("No credential is stored.")


@app.command("put")
def put_credential(
    name: Annotated[str, typer.Argument(help="Adapter and option, such as alpaca_key_id.")],
    account: Annotated[str, typer.Option(help="Account it opens, such as paper or live.")],
    person: PersonOption = "",
    code: CodeOption = "",
) -> None:
    """Seal a secret that is typed or piped in, and store it; it opens for this account only."""
    with domain_errors():
        settings = load_settings()
        who = speaker(settings, Right.CHANGE_CREDENTIALS, person, code)
        value = typer.prompt("Value", hide_input=True, err=True).strip()
        if not value:
            raise ConfigError("value: found nothing, allowed: a secret")
        desk = open_desk(settings)
        place = desk.access.place_at(account, name)
        credential = credential_at(
            desk.access.vault, value, place, by=who, at=desk.access.clock.now()
        )
        desk.credentials.put(credential)
        console.print(f"{name}: stored for {account} in {settings.environment}")


@app.command("rotate")
def rotate_credentials(person: PersonOption = "", code: CodeOption = "") -> None:
    """Seal everything anew under the first master key; afterwards the others can go."""
    with domain_errors():
        settings = load_settings()
        who = speaker(settings, Right.CHANGE_CREDENTIALS, person, code)
        desk = open_desk(settings)
        people = desk.access.people.reseal(desk.access.vault.renew, actor=who)
        stored = desk.credentials.reseal(desk.access.vault.renew, actor=who)
        console.print(f"sealed anew: {stored} credentials, {people} people")
