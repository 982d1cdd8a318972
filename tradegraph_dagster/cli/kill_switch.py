"""`tradegraph kill-switch`: anyone stops trading, two people allow it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks, login_name, open_desks, spoken
from tradegraph_dagster.cli.output import (
    console,
    domain_errors,
    errors,
    print_json,
    print_table,
)
from tradegraph_dagster.domain.core.errors import TradingHalted

app = typer.Typer(no_args_is_help=True, help="Stop trading, and allow it again.")


@app.command("status")
def kill_switch_status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Whether trading may go on; exit status 1 while it may not."""
    with domain_errors():
        state = {name: desk.books.kill_switch.engaged() for name, desk in open_desks().items()}
    if as_json:
        print_json(state)
    else:
        rows = [
            {"market": name, "engaged": "no" if reason is None else reason}
            for name, reason in state.items()
        ]
        print_table("Kill switch", rows)
    raise typer.Exit(1 if any(reason is not None for reason in state.values()) else 0)


@app.command("engage")
def kill_switch_engage(
    reason: Annotated[str, typer.Option(help="Why.")],
    market: Annotated[str | None, typer.Option("--market", "-m", help="All when absent.")] = None,
    actor: Annotated[str, typer.Option(help="Who; the login name when absent.")] = "",
) -> None:
    """Stop trading now."""
    with domain_errors():
        said, who = spoken(reason), actor or login_name()
        for name, desk in chosen_desks(market).items():
            desk.books.kill_switch.engage(reason=said, actor=who)
            console.print(f"{name}: engaged")


@app.command("reset")
def kill_switch_reset(
    reason: Annotated[str, typer.Option(help="Why it is safe.")],
    market: Annotated[str | None, typer.Option("--market", "-m", help="All when absent.")] = None,
    actor: Annotated[
        str, typer.Option(help="Who; the login name when absent. It takes two people.")
    ] = "",
) -> None:
    """Allow trading again; the first call is a request that somebody else must confirm."""
    with domain_errors():
        said, who = spoken(reason), actor or login_name()
        engaged = {
            name: desk
            for name, desk in chosen_desks(market).items()
            if desk.books.kill_switch.engaged() is not None
        }
        if not engaged:
            console.print("not engaged")
        outcomes = [_reset(name, desk, said, who) for name, desk in engaged.items()]
    raise typer.Exit(0 if all(outcomes) else 1)


def _reset(name: str, desk: Any, reason: str, actor: str) -> bool:
    """Reset one market; a first request is refused with who may confirm it, and others go on."""
    try:
        desk.books.kill_switch.reset(reason=reason, actor=actor)
    except TradingHalted as error:
        errors.print(f"{name}: {error}", markup=False)
        return False
    console.print(f"{name}: reset")
    return True
