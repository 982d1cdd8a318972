"""`tradegraph kill-switch`: anyone stops trading, two people allow it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tradegraph_dagster.cli.desks import chosen_desks, open_desks, spoken, stop_each, stopper
from tradegraph_dagster.cli.options import AnyMarketOption, JsonOption
from tradegraph_dagster.cli.output import (
    console,
    domain_errors,
    errors,
    print_json,
    print_table,
)
from tradegraph_dagster.cli.proof import CodeOption, PersonOption, open_access, prove
from tradegraph_dagster.domain.access.proof import ProvenPerson
from tradegraph_dagster.domain.access.roles import Right
from tradegraph_dagster.domain.core.errors import StoreError, StoreUnavailable, TradingHalted

app = typer.Typer(no_args_is_help=True, help="Stop trading, and allow it again.")


@app.command("status")
def kill_switch_status(as_json: JsonOption = False) -> None:
    """Whether trading may go on; exit status 1 while it may not."""
    with domain_errors():
        state = {name: _state(desk) for name, desk in open_desks().items()}
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
    market: AnyMarketOption = None,
    actor: Annotated[str, typer.Option(help="Who; the login name when absent.")] = "",
    cancel: Annotated[
        bool,
        typer.Option("--cancel/--no-cancel", help="Ask the broker to cancel what still works."),
    ] = True,
) -> None:
    """Stop trading now and cancel what still works; anyone may, without a code.

    Exit status 1 where a market could not be engaged, an order may still fill, or the ledger took
    no note of a cancel; whatever fails in one market, the others are engaged and canceled.
    """
    with domain_errors():
        said, who = spoken(reason), stopper(actor)
        desks = chosen_desks(market)
        # Every market stands before the first broker is asked anything.
        failed = stop_each(
            desks, lambda desk: desk.books.kill_switch.engage(reason=said, actor=who), "engaged"
        )
        is_done = [_cancel(name, desk, said) for name, desk in desks.items()] if cancel else []
        if failed:
            raise StoreUnavailable(f"NOT engaged: {', '.join(failed)}; run it again for these")
    raise typer.Exit(0 if all(is_done) else 1)


@app.command("reset")
def kill_switch_reset(
    reason: Annotated[str, typer.Option(help="Why it is safe.")],
    market: AnyMarketOption = None,
    person: PersonOption = "",
    code: CodeOption = "",
) -> None:
    """Allow trading again; the first call is a request that somebody else must confirm."""
    with domain_errors():
        said = spoken(reason)
        desks = chosen_desks(market)
        engaged = {
            name: desk
            for name, desk in desks.items()
            if desk.books.kill_switch.engaged() is not None
        }
        if not engaged:
            console.print("not engaged")
            raise typer.Exit(0)
        access = open_access(next(iter(engaged.values())).deployment)
        proven = prove(access, Right.RESET_KILL_SWITCH, person, code)
        outcomes = [_reset(name, desk, said, proven) for name, desk in engaged.items()]
    raise typer.Exit(0 if all(outcomes) else 1)


def _state(desk: Any) -> str | None:
    """The reason; a switch that cannot be read counts as engaged."""
    try:
        reason: str | None = desk.books.kill_switch.engaged()
    except StoreError as error:
        return f"cannot be read, which counts as engaged: {error}"
    return reason


def _cancel(name: str, desk: Any, reason: str) -> bool:
    """Ask the broker to cancel working orders, as far as it answers, and say what came of it."""
    from tradegraph_dagster.resources.cancels import cancel_working

    try:
        report = cancel_working(desk, reason=reason)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other markets go on
        errors.print(f"{name}: nothing could be canceled: {error}", markup=False)
        return False
    console.print(f"{name}: {report.counts}")
    for order, why in report.failed.items():
        errors.print(f"{name}: {order} may still fill: {why}", markup=False)
    for order, why in report.unwritten.items():
        errors.print(f"{name}: {order}: the ledger took no note of it: {why}", markup=False)
    return not report.failed and not report.unwritten


def _reset(name: str, desk: Any, reason: str, person: ProvenPerson) -> bool:
    """Reset one market; a first request is refused with who may confirm it, and others go on."""
    try:
        desk.books.kill_switch.reset(reason=reason, person=person)
    except TradingHalted as error:
        errors.print(f"{name}: {error}", markup=False)
        return False
    console.print(f"{name}: reset")
    return True
