"""Who is speaking: `--person` and `--code`, and what they prove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tradegraph_dagster.adapters.system.clock import SystemClock
from tradegraph_dagster.cli.desks import login_name
from tradegraph_dagster.domain.access.proof import Access, ProvenPerson, authenticate
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.core.errors import AccessDenied
from tradegraph_dagster.settings import Settings

if TYPE_CHECKING:
    from tradegraph_dagster.resources.access import AccessDesk

PersonOption = Annotated[str, typer.Option(help="Who you are, as enrolled.")]
CodeOption = Annotated[str, typer.Option(help="The code your device shows; asked for when absent.")]


def open_desk(settings: Settings) -> AccessDesk:
    """People and sealed secrets of the deployment."""
    from tradegraph_dagster.resources.access import open_access_desk

    return open_access_desk(settings, SystemClock())


def open_access(settings: Settings) -> Access:
    """What people are proven with in the deployment."""
    return open_desk(settings).access


def prove(access: Access, right: Right, person: str, code: str) -> ProvenPerson:
    """Prove the person for an act. Raises AccessDenied."""
    if not person.strip():
        raise AccessDenied(f"it takes a person to {right}: give --person and --code")
    given = code or typer.prompt("Code", hide_input=True, err=True)
    return authenticate(access, person, given, right=right)


def speaker(settings: Settings, right: Right, person: str, code: str) -> str:
    """The name under which an act is recorded.

    A demo in which nobody is enrolled takes the login name; everywhere else the act takes a person
    and a code.

    Raises:
        AccessDenied: Nobody is proven.
    """
    access = open_access(settings)
    if not person and settings.environment == "demo" and not access.people.people():
        return login_name()
    return prove(access, right, person, code).name
