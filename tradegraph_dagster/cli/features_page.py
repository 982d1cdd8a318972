"""`tradegraph features page`: what is known of each feature of a set, as one HTML page."""

from __future__ import annotations

from typing import Annotated

import typer

from tradegraph_dagster.cli.desks import chosen_desks
from tradegraph_dagster.cli.options import AnyMarketOption
from tradegraph_dagster.cli.output import console, domain_errors


def page(
    market: AnyMarketOption = None,
    feature_set: Annotated[
        str | None, typer.Option("--set", help="The configured set when absent.")
    ] = None,
    sessions: Annotated[
        int | None, typer.Option(min=1, help="Newest, at most; as on the weekly page when absent.")
    ] = None,
) -> None:
    """Write the page of a set and print its path; a set that is not stored is computed."""
    from tradegraph_dagster.resources.feature_page import PAGE_SESSIONS, write_feature_page

    with domain_errors():
        for desk in chosen_desks(market).values():
            written = write_feature_page(desk, feature_set, sessions=sessions or PAGE_SESSIONS)
            console.print(str(written.path), soft_wrap=True, highlight=False)
