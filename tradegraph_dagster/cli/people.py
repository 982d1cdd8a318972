"""`tradegraph people`: who may act, and the devices that show their codes."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from tradegraph_dagster.cli.desks import login_name, spoken
from tradegraph_dagster.cli.options import JsonOption
from tradegraph_dagster.cli.output import console, domain_errors, errors, print_json, print_table
from tradegraph_dagster.cli.proof import CodeOption, PersonOption, open_access, prove
from tradegraph_dagster.domain.access.enrolment import (
    Applicant,
    disabling,
    enrolment,
    needs_admin,
    require_name,
)
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.access.schema import Role
from tradegraph_dagster.domain.access.sealed import seal_at
from tradegraph_dagster.domain.access.totp import (
    SHORTEST_SECRET_BYTES,
    enrolment_uri,
    secret_text,
)
from tradegraph_dagster.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Who may act.")


@app.command("list")
def list_people(as_json: JsonOption = False) -> None:
    """Everybody who was ever enrolled."""
    with domain_errors():
        rows = [
            {
                "name": person.name,
                "role": person.role.value,
                "enrolled_at": person.enrolled_at.isoformat(timespec="seconds"),
                "enrolled_by": person.enrolled_by,
                "active": not person.is_disabled,
            }
            for person in open_access(load_settings()).people.people()
        ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table("People", rows)
    else:
        console.print("Nobody is enrolled.")


@app.command("add")
def add_person(
    name: Annotated[str, typer.Argument(help="Letters, digits, dots and dashes.")],
    role: Annotated[Role, typer.Option(help="What they may do.")],
    person: PersonOption = "",
    code: CodeOption = "",
) -> None:
    """Enrol somebody and print, this once, what their authenticator app must scan.

    The first two people are enrolled freely, the first as an admin; from then on it takes an
    admin. Somebody new may not confirm a reset or arm live trading for 24 hours.
    """
    with domain_errors():
        access = open_access(load_settings())
        login, stored = login_name(), require_name(name)
        by = None
        if person or needs_admin(access.people.people()):
            by = prove(access, Right.CHANGE_PEOPLE, person, code)
        secret = secret_text(secrets.token_bytes(SHORTEST_SECRET_BYTES))
        sealed = seal_at(access.vault, secret, access.place_of(stored))
        applicant, now = Applicant(stored, role, sealed), access.clock.now()
        access.people.change(
            lambda people: enrolment(people, applicant, by=by, login=login, now=now)
        )
        errors.print(f"{stored}: enrolled as {role}. Scan this now, it is not shown again:")
        # Printed as it is: a code that is wrapped cannot be copied.
        typer.echo(enrolment_uri(stored, secret, env=access.env))


@app.command("disable")
def disable_person(
    name: Annotated[str, typer.Argument(help="Whom.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    person: PersonOption = "",
    code: CodeOption = "",
) -> None:
    """Accept no code of somebody any more."""
    with domain_errors():
        access, said = open_access(load_settings()), spoken(reason)
        by = prove(access, Right.CHANGE_PEOPLE, person, code)
        changed = access.people.change(lambda people: disabling(people, name, by=by, reason=said))
        console.print(f"{changed.name}: disabled")
